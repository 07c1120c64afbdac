#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""A sender under contract whose way (netem, two hops on) changes its rate each two seconds, in virtual time (8 ns
an instruction) on a stock RT kernel: nobody follows; the rules follow at `tick 1s` or `tick 10ms`, which the daemon
raises; in a process, or in the kernel, by the class's own windows and the round trip of its TCP socket. The rules are
the same but for their event. Late: later than 200 ms at the far end, or lost; a window of 50 packets with more
than 2 of them is violated. Last line: one JSON object.

  bottleneck.py [--json]

Bounds: in the kernel at most a quarter of the violated windows at `tick 1s`, and at least half of what the way
carries comes in time. In a process it is much the same: the round trip's smoothing takes longer than either.
"""
import os
import subprocess
import sys

import lab

SHIFT, EACH_S = 3, 2
RATES = (10, 4, 7, 3, 10, 2.5, 6, 3, 10, 5)
ARMS = ("none", "slow loop, 1s", "tick 10ms", "user", "kernel")
DEADLINE_NS, X, Y, PACKET = 200e6, 2, 50, 1300
BUILD = os.path.join(lab.TOP, "build/bottleneck")


def build():
    os.makedirs(BUILD, exist_ok=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", f"{BUILD}/bottleneck",
                    os.path.join(lab.TOP, "tests/vm/bottleneck.c")], check=True)


def row(got):
    took = {number: came - sent for number, sent, came in got["packets"]}
    seen = lab.judge([took.get(number) for number in range(got["sent"])], DEADLINE_NS, X, Y)
    in_time = seen["packets"] - seen["late"]
    return {"arm": got["arm"], "sent": seen.pop("packets"), **seen, "p50_ms": round(seen["p50_ms"], 1),
            "p99_ms": round(seen["p99_ms"], 1),
            "in_time_mbit": round(in_time * PACKET * 8 / 1e6 / (len(RATES) * EACH_S), 2),
            "set": (got["rules"] or {}).get("set", 0)}


def misses(rows):
    by_arm = {row["arm"]: row for row in rows}
    kernel = by_arm["kernel"]
    carried = sum(min(rate, 8) for rate in RATES) / len(RATES)
    if kernel["violations"] * 4 > by_arm["slow loop, 1s"]["violations"]:
        yield "the kernel has more than a quarter of the violated windows of `tick 1s`"
    if kernel["in_time_mbit"] < carried / 2:
        yield f"the kernel brings {kernel['in_time_mbit']} of {carried:.1f} Mbit/s in time"


def measure():
    lab.build_module()
    build()
    jobs = [{"arm": arm, "rates_mbit": RATES, "each_s": EACH_S} for arm in ARMS]
    answers, error = lab.run("bottleneck_guest.py", jobs, SHIFT, 3000)
    if error:
        sys.exit(error)
    return [row(got) for got in answers]


def main():
    rows = measure()
    if "--json" not in sys.argv:
        print(f"{'':14}{'sent':>7}{'lost':>6}{'late':>6}{'windows':>9}{'violated':>9}{'p50 ms':>8}{'p99 ms':>8}"
              f"{'in time Mbit/s':>15}{'changes':>9}")
        for one in rows:
            print(f"{one['arm']:14}{one['sent']:7}{one['lost']:6}{one['late']:6}{one['windows']:9}"
                  f"{one['violations']:9}{one['p50_ms']:8.1f}{one['p99_ms']:8.1f}{one['in_time_mbit']:15.2f}"
                  f"{one['set']:9}")
    lab.end(list(misses(rows)), bench="bottleneck", rows=rows)


if __name__ == "__main__":
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    main()
