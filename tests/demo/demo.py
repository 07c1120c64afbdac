#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The main job, shown: sudo ./dev demo [--json]

Real programs under load in three arms, then an overload; one table at the end. Progress goes to
stderr. Exit code 0 if all was run and the machine is as it was, 1 otherwise, 130 if interrupted.
"""

import argparse
import json
import os
import signal
import sys
import time
from subprocess import SubprocessError

HERE = os.path.dirname(os.path.abspath(__file__))
os.environ.setdefault("QOS_BUILD", os.path.join(HERE, "../../build"))
sys.path[:0] = [HERE, os.path.join(HERE, "../live")]

# pylint: disable=wrong-import-position
import arms  # noqa: E402
import machine  # noqa: E402
import table  # noqa: E402
import workload  # noqa: E402

ARM_SECONDS = 11
OVERLOAD_SECONDS = 7
BEGIN = time.monotonic()


class Interrupted(BaseException):
    """SIGINT or SIGTERM: unwinds everything once; further ones wait for the end."""


def interrupt(number, _frame):
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(signal.Signals(number).name)


def say(text):
    print(f"[{time.monotonic() - BEGIN:4.0f} s] {text}", file=sys.stderr, flush=True)


def three_arms(cpus, speed, result):
    """The same programs and seconds, three ways."""
    words = {"none": "as they come (SCHED_OTHER)", "fifo": "SCHED_FIFO, set by hand with chrt",
             "qosd": "under contract"}
    programs = workload.first_programs(cpus, ARM_SECONDS)
    for how, about in words.items():
        say(f"{ARM_SECONDS} s {how}: {about}")
        counters, _, adaptations = arms.run(how, programs, cpus, speed, ARM_SECONDS)
        result["arms"][how] = counters
        result["adaptations"] += adaptations
    for step in result["adaptations"]:
        say(f"qosd adapted {step['contract']}: {step['old_ns'] // 1000} -> "
            f"{step['new_ns'] // 1000} us: {step['reason']}")


def overload(cpus, speed, result):
    """One contract too many, and one program that needs ten times what it said."""
    programs = workload.overload_programs(cpus)
    say(f"{OVERLOAD_SECONDS} s fifo: burst needs ten times what its contract says")
    result["fifo"], _, _ = arms.run("fifo", programs, cpus, speed, OVERLOAD_SECONDS)
    say(f"{OVERLOAD_SECONDS} s qosd: the same, and one contract too many")
    result["qosd"], refused, _ = arms.run(
        "qosd", programs, cpus, speed, OVERLOAD_SECONDS,
        lambda arm: arm.refuse(workload.too_much(cpus)))
    result["refused"] = [refused]
    say(f"{refused['contract']}: {refused['reason']}")


def run(result):
    """All parts into `result`, which keeps what was done if it is interrupted."""
    cpus = len(os.sched_getaffinity(0))
    with arms.Daemon() as scratch:
        speed = workload.calibrate(scratch.dir, cpus)
    say(f"{cpus} CPUs; rt-app's loops calibrated, factor {speed:.2f}; "
        f"load: {cpus * workload.STRESS_PER_CPU} stress-ng workers")
    three_arms(cpus, speed, result)
    overload(cpus, speed, result["overload"])


def check_start():
    """What must be there, in sentences."""
    if os.geteuid() != 0:
        sys.exit("demo: setting scheduling policies needs root: sudo ./dev demo")
    for path in (workload.RT_APP, workload.CYCLICTEST, "/usr/bin/stress-ng", "/usr/bin/chrt",
                 os.path.join(os.environ["QOS_BUILD"], "daemon/qosd")):
        if not os.access(path, os.X_OK):
            sys.exit(f"demo: {path} is missing: ./dev demo builds and installs what it needs")


def guarded_run(result):
    """Runs; returns the exit code. Whatever happens, what was started has ended by then."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        run(result)
        return 0
    except Interrupted as reason:
        say(f"interrupted ({reason}): everything was ended")
        return 130
    except (OSError, RuntimeError, AssertionError, ValueError, SubprocessError) as reason:
        say(f"stopped: {reason}")
        return 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="last line: one JSON object")
    options = parser.parse_args()
    check_start()
    result = {"arms": {}, "overload": {"refused": []}, "adaptations": []}
    before = machine.Snapshot()
    code = guarded_run(result)
    differences = list(before.differences(arms.DIRECTORIES))
    for difference in differences:
        say("left behind: " + difference)
    say("the machine is not as it was" if differences else "the machine is as it was: policies, "
        "affinities, mounts and sysctls were compared")
    if code == 0:
        print("\n".join(table.lines(result)))
    if options.json and code == 0:
        print(json.dumps(result))
    return code or bool(differences)


if __name__ == "__main__":
    sys.exit(main())
