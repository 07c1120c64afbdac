#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the demo must show, asked of one run; and that ^C leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo.py")
COUNTERS = {"jobs", "late", "violations", "response_p99_us"}


def broken(arm):
    return sum(counters["violations"] for counters in arm.values())


def shape(result):
    """Every arm has the same contracts, each with exactly the documented counters."""
    arms = [*result["arms"].values(), result["overload"]["fifo"], result["overload"]["qosd"]]
    return set(result["arms"]) == {"none", "fifo", "qosd"} and \
        len({tuple(arm) for arm in arms[:3]}) == 1 and \
        all(set(counters) == COUNTERS for arm in arms for counters in arm.values())


def keeps(counters):
    """On a machine of its own that is all of them. Where a hypervisor takes the CPU away now and then,
    one window of ten jobs in twenty is let pass, and two more."""
    return counters["violations"] <= 2 + counters["jobs"] // 10 // 20


def expectations(result):
    """(what, holds)"""
    arms, overload = result["arms"], result["overload"]
    yield "the object has the documented form", shape(result)
    yield "every contract completed jobs in every arm", all(
        counters["jobs"] > 0 for arm in arms.values() for counters in arm.values())
    yield "without scheduling, load breaks windows", broken(arms["none"]) >= 20
    yield "under qosd at most a tenth of them", broken(arms["qosd"]) * 10 <= broken(arms["none"])
    yield "in the overload fifo breaks some", broken(overload["fifo"]) > 0
    for name, counters in overload["qosd"].items():
        yield f"in the overload {name} keeps its windows under qosd", keeps(counters)
    yield "one contract too many is refused with a reason", bool(
        overload["refused"] and all(each["reason"] for each in overload["refused"]))
    yield "something was adapted, with a reason", any(
        step["reason"] and step["old_ns"] != step["new_ns"] for step in result["adaptations"])


def whole_run():
    """Runs the demo; yields what came of it."""
    begin = time.monotonic()
    done = subprocess.run([DEMO, "--json"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          text=True, timeout=240, check=False)
    yield "the demo ends well", done.returncode == 0
    yield "in less than two minutes", time.monotonic() - begin < 120
    print(done.stdout)
    *table, last = done.stdout.splitlines() or [""]
    yield "its table fits 80 columns", bool(table) and max(map(len, table)) <= 80
    try:
        result = json.loads(last)
    except ValueError:
        yield "its last line is JSON", False
        return
    yield from expectations(result)


def interrupted_run():
    """^C in the middle of the first arm; the demo itself compares the machine with before."""
    # pylint: disable=consider-using-with
    demo = subprocess.Popen([DEMO], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)
    said = ""
    for line in demo.stderr:
        said += line
        if " none: " in line:
            demo.send_signal(signal.SIGINT)
    print(said)
    yield "an interrupted demo says so by its exit code", demo.wait(60) == 130
    yield "and leaves the machine as it was", "the machine is as it was" in said


def main():
    if os.geteuid() != 0:
        print("skipped: needs root")
        return 77
    counts = {True: 0, False: 0}
    for part in (interrupted_run, whole_run):
        for what, holds in part():
            counts[bool(holds)] += 1
            print("%-8s%s" % ("ok" if holds else "FAILED", what))
    print("%d passed, %d failed" % (counts[True], counts[False]))
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
