# SPDX-License-Identifier: GPL-2.0-only
"""The packages on a system with systemd. As root in the lab:

    ./dev package
    packaging/build-deb.sh build/package.next 0.1.0.1
    ./dev vm rt --systemd --virtual-time --shift 3 --timeout 1200 -- python3 -B tests/vm/test_package.py [DIR NEXT]

One story: each test goes on where the one before ended. The worker in unit pump has a contract; watched
is the same program under the same load whose contract only observes, so what it loses is what pump would
lose. The module is not there: tests/vm/test_dkms.py has it, and test_daemon.py what becomes of contracts.
"""
import os
import subprocess
import sys
import time

os.environ.setdefault("QOS_PATIENCE", "6")
# pylint: disable=missing-function-docstring,wrong-import-position
from lab_test import Program, expect, policy, run, until  # noqa: E402
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
    sh("modprobe", "dummy")
    sh("ip", "link", "add", "lab0", "type", "dummy")
    sh("ip", "link", "set", "lab0", "up")
    sh("tc", "qdisc", "add", "dev", "lab0", "root", "handle", "7:", "prio")
    # Debian's kernels have 3 there, which takes perf events from whoever lacks SYS_ADMIN, as qosd.service does.
    sh("sysctl", "kernel.perf_event_paranoid=2")
    dpkg("--purge", *NAMES)
    story["written"] = world.written()
    story["before"] = world.Machine()
    files, story["version"] = world.packages(FIRST, *NAMES)
    dpkg("-i", *files)
    expect(sh("systemctl", "is-active", "qosd.service"), "active\n")
    expect(sh("systemctl", "is-enabled", "qosd.service"), "enabled\n")
    expect(ctl("list")["contracts"], [])
    nothing_changed()


# --- a contract ---

def in_force(name):
    return ctl("show", name)["state"] == "in-force"


def keeps_windows(seconds):
    """Counters of both over that time, after the contract has settled."""
    was = {name: stats(name) for name in ("pump", "watched")}
    time.sleep(seconds)
    gained = {name: {key: stats(name)[key] - was[name][key] for key in COUNTERS} for name in was}
    for name, values in gained.items():
        say(f"{name}: " + ", ".join(f"{key} {value}" for key, value in values.items()))
    expect(gained["pump"]["windows"] > 5, True, "windows are counted")
    expect(gained["pump"]["violations"], 0, "violated windows of pump")
    expect(gained["watched"]["violations"] > 0, True, "the load is none")


def test_a_unit_keeps_its_windows():
    story.update(world.start_units())
    story["was"] = policy(story["pump"])
    world.drop_in("pump")
    world.drop_in("watched", ", manage: observe")
    sh("systemctl", "reload", "qosd.service")
    until(lambda: in_force("pump") and stats("pump")["windows"] > 2, "it is in force", LONG)
    say(ctl("status")["managers"]["cpu"] + ", " + ctl("show", "pump")["streams"][0]["policy"])
    keeps_windows(10)
    expect(policy(story["watched"]), story["was"])


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
    """The counters begin anew with a daemon, where the kernel's classes serve."""
    main = sh("systemctl", "show", "-P", "MainPID", "qosd.service")
    with Lapse():
        dpkg("-i", *world.packages(NEXT, *NAMES)[0])
        until(lambda: sh("systemctl", "show", "-P", "MainPID", "qosd.service") not in (main, "0\n"),
              "another daemon", LONG)
        until(lambda: subprocess.run(["qosctl", "status"], check=False, capture_output=True).returncode == 0,
              "it answers", LONG)
        until(lambda: in_force("pump"), "in force", LONG)
    expect(sh("qosd", "--version"), f"qosd {world.packages(NEXT, *NAMES)[1]}\n")


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
    expect(os.path.exists("/etc/qosd/contracts.d/pump.yaml"), True)
    dpkg("--purge", *NAMES)
    world.stop_units()
    expect(world.left(story["written"]), [], "left behind")
    nothing_changed()


def main():
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    status = run(tests, twice=False, story=True)
    if status:
        for words in (["qosctl", "status"], ["qosctl", "show", "pump"], ["journalctl", "-n", "60", "-u", "qosd"]):
            print(sh(*words, "--no-pager", check=False), file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
