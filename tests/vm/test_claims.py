# SPDX-License-Identifier: GPL-2.0-only
"""What admission proves of windows is claimed of the module, is kept, and is no more once its ground is
gone. As root in the lab, after ./dev build and ./dev kmod rt:

    ./dev vm rt --virtual-time --shift 3 --timeout 900 -- python3 -B tests/vm/test_claims.py [NAME...]

In virtual time, since a hypervisor that stops the machine breaks every promise. An instruction takes 8 ns,
so the kernel's own threads above the band (ktimers, rcuc) need up to milliseconds while qosd starts; that
is what `blocking` is for. Programs that never sleep
have `job: period`, so their releases are the module's. The emulated disks' interrupt threads are taken
out of the real-time classes: beside their load nothing could be proven.
"""
import os
import subprocess
import sys
import time

os.environ.setdefault("QOS_PATIENCE", "20")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "live"))
# pylint: disable=missing-function-docstring,wrong-import-position
from contracts import PYTHON, contract as contract_text  # noqa: E402
from instance import Instance  # noqa: E402
from lab_test import MS, N, chosen, counters, expect, module, run, until  # noqa: E402

LONG = 120
CONFIG = "version: 1\nslow-loop: 500ms\nmonitor: none\ncpu: {blocking: 6ms}\n"
OURS = "  job: period\n  overrun: throttle\n"
SPIN = "print('ready', flush=True)\nwhile True: pass"
JOBS = """
import signal, time
def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass
def longer(*_):
    burn(.2)
signal.signal(signal.SIGUSR1, longer)
release = time.monotonic()
while True:
    release += .1
    time.sleep(max(release - time.monotonic(), 0))
    burn(.005)
"""


FAIR_SERVER = "/sys/kernel/debug/sched/fair_server/cpu0/runtime"


def calm_machine():
    """The kernel takes nothing from real-time work: with the fair server or throttling on, sets that could
    fill a CPU are at most simulated."""
    for path, value in (FAIR_SERVER, "0"), ("/proc/sys/kernel/sched_rt_runtime_us", "-1"):
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        with open(f"/proc/{name}/comm", encoding="ascii") as file:
            if file.read().startswith("irq/"):
                subprocess.run(["chrt", "-o", "-p", "0", name], check=True)


def contract(name, window, extra=OURS, **more):
    text = contract_text(name, extra, top="accept: proven\n", **more)
    return text.replace("window: 1/10", f"window: {window}")


def spinner(qosd, tag):
    """A program that never sleeps, from now on."""
    program = qosd.run("nice", "-n", "19", PYTHON, "-c", SPIN, f"periodic.py {tag} .", stdout=subprocess.PIPE)
    expect(program.stdout.readline(), b"ready\n")
    return program


def state(qosd, name):
    stream = qosd.stream(name)
    return stream["guarantee"], stream["test"]


def in_list(qosd, name):
    return [brief["guarantee"] for brief in qosd.json("list")["contracts"] if brief["contract"] == name][0]


def words(qosd, name):
    return [event["text"] for event in qosd.json("events", name)["events"] if event["kind"] == "unproven"]


def streams(nl):
    return {stream["CONTRACT"]: stream for stream in nl.dump("STREAM_GET", "STREAM")}


def kept(nl, names, mode, seconds=6):
    """For so long each follows its table, and loses nothing."""
    before = streams(nl)
    capped = counters(nl)["CAPPED"]
    time.sleep(seconds)
    after = streams(nl)
    expect(counters(nl)["CAPPED"], capped, "the cap's time was used up")
    for name in names:
        stream, then = after[name], before[name]["STATS"]
        now = stream["STATS"]
        expect((stream["TABLE"], stream["PROVEN"]), (mode, 1), name)
        expect(now["MANDATORY"] > then["MANDATORY"], True, name)
        expect((now["VIOLATIONS"] - then["VIOLATIONS"], now["MANDATORY_LOST"], now["OVERRUNS"]), (0, 0, 0), name)
        print(f"        {name}: {now['WINDOWS'] - then['WINDOWS']} windows kept, "
              f"{now['MANDATORY'] - then['MANDATORY']} of "
              f"{now['SERVED'] + now['LOST'] - then['SERVED'] - then['LOST']} requests mandatory")


def test_a_bundle_is_claimed_and_kept():
    with module() as nl, Instance(CONFIG) as qosd:
        names = ("one", "two", "three")
        programs = {name: spinner(qosd, name) for name in names}
        for name in names:
            qosd.write(name, contract(name, "2/3", period="100ms", runtime="60ms"))
        qosd.start()
        proven(qosd, names, "windows-bundle")
        time.sleep(1)
        kept(nl, names, N["TABLE_BUNDLE"])
        threads = nl.dump("THREAD_GET", "THREAD")
        expect(len({thread["GRID"] % (100 * MS) for thread in threads}), 1, "they are released together")
        # a member that goes takes the others' proof along, until it is back
        programs["two"].kill()
        programs["two"].wait()
        until(lambda: in_list(qosd, "one") == "best-effort", "it shows", LONG)
        expect(state(qosd, "three"), ("best-effort", "none"))
        expect("not proven any more" in words(qosd, "one")[-1], True)
        spinner(qosd, "two")
        qosd.json("reload")
        proven(qosd, names, "windows-bundle")
        expect(words(qosd, "one")[-1], "proven again")
        expect(in_list(qosd, "one"), "proven")
        kept(nl, names, N["TABLE_BUNDLE"], 3)


def test_a_table_is_claimed_and_kept():
    with module() as nl, Instance(CONFIG) as qosd:
        names = ("one", "two")
        for name in names:
            spinner(qosd, name)
        qosd.write("one", contract("one", "1/2", period="150ms", runtime="76ms"))
        qosd.write("two", contract("two", "1/2", period="100ms", runtime="60ms"))
        qosd.start()
        proven(qosd, names, "windows-table")
        time.sleep(1)
        kept(nl, names, N["TABLE_PHASES"])
        # another daemon proves and claims it anew
        qosd.daemon.kill()
        qosd.daemon.wait()
        qosd.daemon = None
        kept(nl, names, N["TABLE_PHASES"], 3)


def test_an_overrun_shows_until_it_is_proven_again():
    with module() as nl, Instance(CONFIG) as qosd:
        program = qosd.run(PYTHON, "-c", JOBS, "periodic.py one .")
        qosd.write("one", contract("one", "1/2", "", period="100ms", runtime="20ms"))
        qosd.start()
        until(lambda: state(qosd, "one") == ("proven", "windows-sporadic"), "proven", LONG)
        until(lambda: nl.dump("STREAM_GET", "STREAM")[0]["PROVEN"], "claimed", LONG)
        program.send_signal(10)
        until(lambda: words(qosd, "one"), "it is told", LONG)
        expect(words(qosd, "one")[0], "not proven any more: a job needed more than its runtime")
        until(lambda: words(qosd, "one")[-1] == "proven again", "proven again", LONG)
        until(lambda: state(qosd, "one") == ("proven", "windows-sporadic"), "and shown", LONG)


def proven(qosd, names, test):
    """All of them, or what there is instead."""
    end = time.monotonic() + LONG
    while True:
        states = {name: state(qosd, name) for name in names}
        if all(found == ("proven", test) for found in states.values()):
            return
        if time.monotonic() > end:
            raise AssertionError(f"not {test}: {states}; {[words(qosd, name) for name in names]}; "
                                 f"{[qosd.stream(name)['threads'] for name in names]}")
        time.sleep(.2)


def main():
    calm_machine()
    return run(chosen(globals()), twice=False)


sys.exit(main())
