# SPDX-License-Identifier: GPL-2.0-only
"""The packages on a system with systemd. As root in the lab:

    ./dev package
    packaging/build-deb.sh build/package.next 0.1.0.1
    ./dev vm rt --systemd --virtual-time --shift 3 --timeout 3000 -- python3 -B tests/vm/test_package.py [DIR NEXT]

One story: each test goes on where the one before ended. The worker in unit pump has a contract; watched
is the same program under the same load whose contract only observes, so what it loses is what pump would
lose. The module is not there: tests/vm/test_dkms.py has it, and test_daemon.py what becomes of contracts.
"""
import os
import pwd
import re
import shutil
import subprocess
import sys
import time

os.environ.setdefault("QOS_PATIENCE", "6")
# pylint: disable=missing-function-docstring,wrong-import-position
from lab_test import Program, expect, policy, run, until  # noqa: E402
import five_commands  # noqa: E402
import package_world as world  # noqa: E402
from package_world import ctl, dpkg, say, sh, stats  # noqa: E402

LONG = 60
FIRST, NEXT = sys.argv[1:] or ["build/package", "build/package.next"]
NAMES = ("qosctl", "qosd")
COUNTERS = ("jobs", "late", "served", "lost", "windows", "violations")
story = {}


def nothing_changed():
    expect(story["before"].differences(), [], "differs")


# --- installed ---

def test_nothing_changes_with_an_installation():
    world.build_programs()
    world.few_modules("dummy")
    # As Debian has it: no task clocks for whoever lacks SYS_ADMIN, as qosd.service does.
    expect(sh("sysctl", "-n", "kernel.perf_event_paranoid"), "3\n")
    dpkg("--purge", *NAMES)
    story["written"] = world.written()
    world.add_links()
    story["before"] = world.Machine()
    files, story["version"] = world.packages(FIRST, *NAMES)
    story["commands"] = five_commands.commands(files)
    five_commands.carry_out(*story["commands"].pop(0))
    expect(sh("systemctl", "is-active", "qosd.service"), "active\n")
    expect(sh("systemctl", "is-enabled", "qosd.service"), "enabled\n")
    expect(ctl("list")["contracts"], [])
    nothing_changed()


# --- a contract ---

def in_force(name):
    return ctl("show", name)["state"] == "in-force"


def test_five_commands_lead_to_a_kept_contract():
    """The first was the installation."""
    world.start_units(world.CONTROL)
    world.start_units(world.LOAD)
    for command, shown in story["commands"][:-1]:
        five_commands.carry_out(command, shown)
    until(lambda: in_force("control") and stats("control")["windows"] > 10, "windows are counted", LONG)
    five_commands.carry_out(*story["commands"][-1])
    expect(stats("control")["violations"], 0, "violated windows")
    thread = ctl("show", "control")["streams"][0]["threads"][0]["tid"]
    expect(policy(thread)[0], world.DEADLINE)
    five_commands.carry_out("rm /etc/qosd/contracts.d/control.yaml && qosctl reload", [])
    expect(policy(thread), (os.SCHED_OTHER, 0, False))
    expect(ctl("list")["contracts"], [])
    world.stop_units(world.CONTROL)
    shutil.rmtree(five_commands.HERE)


def keeps_windows(seconds):
    """Counters of both over that time, after the contract has settled."""
    was = {name: stats(name) for name in ("pump", "watched")}
    time.sleep(seconds)
    now = {name: stats(name) for name in was}
    gained = {name: {key: now[name][key] - was[name][key] for key in COUNTERS} for name in was}
    for name, values in gained.items():
        say(f"{name}: " + ", ".join(f"{key} {value}" for key, value in values.items()))
    expect(gained["pump"]["windows"] > 5, True, "windows are counted")
    expect(gained["pump"]["violations"], 0, "violated windows of pump")
    expect(gained["watched"]["violations"] > 0, True, "the load is none")


def test_a_unit_keeps_its_windows():
    story.update(world.start_units(world.WORKERS))
    story["was"] = policy(story["pump"])
    world.drop_in("pump", world.CONTRACT.format(name="pump", more=""))
    world.drop_in("watched", world.CONTRACT.format(name="watched", more=", manage: observe"))
    world.drop_in("link", world.LINK)
    sh("systemctl", "reload", "qosd.service")
    until(lambda: in_force("pump") and stats("pump")["windows"] > 2, "it is in force", LONG)
    expect((in_force("link"), world.link_is_ours()), (True, True), "the link is managed")
    say(ctl("status")["managers"]["cpu"] + ", " + ctl("show", "pump")["streams"][0]["policy"])
    keeps_windows(10)
    expect(policy(story["watched"]), story["was"])


# --- the system bus ---

READ, RELOAD, ADJUST = ("ListContracts",), ("Reload",), ("Adjust", "sstt", "pump", "cpu.runtime", "41000000", "0")


def test_a_call_starts_the_gateway():
    expect(sh("systemctl", "is-active", "qosd-bus.service", check=False), "inactive\n")
    expect('"pump" "in-force"' in world.call("root", *READ), True, "the bus tells the contract")
    pid = sh("systemctl", "show", "-P", "MainPID", "qosd-bus.service").strip()
    with open(f"/proc/{pid}/status", encoding="utf-8") as file:
        status = dict(line.split(":", 1) for line in file)
    expect((int(status["Uid"].split()[0]), int(status["CapBnd"], 16)), (pwd.getpwnam("qosd-bus").pw_uid, 0), "its rights")
    shown = sh("busctl", "introspect", "org.qosd1", "/org/qosd1/contract/pump")
    expect(("org.qosd1.Contract" in shown, '"in-force"' in shown), (True, True), shown)


def may():
    """Which of the three nobody gets; where he does not, polkit is why."""
    gets = []
    for words in (READ, RELOAD, ADJUST):
        told = world.call("nobody", *words)
        expect("Call failed" in told, bool(re.search("polkit says no|administrator has to", told)), told)
        gets += [words[0]] * ("Call failed" not in told)
    return gets


def test_polkit_and_the_group_say_who_may():
    expect(may(), [])
    world.permit("read")
    until(lambda: may() == ["ListContracts"], "the site's rule", LONG)
    os.unlink(world.RULES)
    until(lambda: may() == [], "it is gone", LONG)
    sh("gpasswd", "--add", "nobody", "qos")
    until(lambda: may() == ["ListContracts"], "the group's right", LONG)
    sh("gpasswd", "--delete", "nobody", "qos")
    until(lambda: may() == [], "it is gone", LONG)
    expect(sh("systemctl", "is-active", "polkit.service"), "active\n")


# --- replaced ---

class Lapse:
    """Samples pump's policy meanwhile (lapse.c)."""

    def __enter__(self):
        self.program = Program(world.LAPSE, str(story["pump"]))
        return self

    def __exit__(self, failed, *_):
        samples, lapses, longest, pause = map(int, self.program.stop().split())
        say(f"{samples} samples, longest pause {pause / 1000:.1f} ms: {lapses} lapses, longest {longest} us")
        if not failed:
            expect((samples > 100, lapses), (True, 0), "the policy lapsed")


def test_a_replacement_lets_go_of_no_thread():
    """Nor is a counter less than before."""
    main = sh("systemctl", "show", "-P", "MainPID", "qosd.service")
    before = {name: stats(name) for name in ("pump", "watched")}
    with Lapse():
        dpkg("-i", *world.packages(NEXT, *NAMES)[0])
        until(lambda: sh("systemctl", "show", "-P", "MainPID", "qosd.service") not in (main, "0\n"),
              "another daemon", LONG)
        until(lambda: subprocess.run(["qosctl", "status"], check=False, capture_output=True).returncode == 0,
              "it answers", LONG)
        until(lambda: in_force("pump"), "in force", LONG)
        for name, was in before.items():
            less = {key: (was[key], stats(name)[key]) for key in COUNTERS if stats(name)[key] < was[key]}
            expect(less, {}, f"{name}: counters began anew")
        keeps_windows(10)
    expect(world.link_is_ours(), True, "the link is managed")
    version = world.packages(NEXT, *NAMES)[1]
    expect(sh("qosd", "--version"), f"qosd {version}\n")
    expect(sh("busctl", "get-property", *world.MANAGER, "Version"), f's "{version}"\n', "the gateway's")


# --- gone ---

def test_a_stop_undoes_it():
    sh("systemctl", "stop", "qosd.service")
    expect(policy(story["pump"]), story["was"])
    nothing_changed()
    sh("systemctl", "start", "qosd.service")
    until(lambda: in_force("pump"), "in force again", LONG)


def test_a_purge_leaves_nothing():
    dpkg("--remove", *NAMES)
    expect(policy(story["pump"]), story["was"])
    expect(sh("pgrep", "-l", "^qosd", check=False), "", "it runs")
    expect(os.path.exists("/etc/qosd/contracts.d/pump.yaml"), True)
    dpkg("--purge", *NAMES)
    world.stop_units(world.WORKERS | world.LOAD)
    expect(world.left(story["written"]), [], "left behind")
    nothing_changed()


def main():
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    status = run(tests, twice=False, story=True)
    if status:
        for words in ("qosctl status", "qosctl show pump", "journalctl --no-pager -n 60 -u qosd -u qosd-bus"):
            print(sh("sh", "-c", words, check=False), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
