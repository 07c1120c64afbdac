#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""1,000 SIGKILLs at random moments under load, while clients apply, adjust, confirm, plan and reload (tests/live/kills.py
says what is judged).

  kills.py [--json] [--quick]

QOS_KILLS: another number; QOS_SEED: other moments.
"""

import os
import statistics
import sys

import measure
from kills import Disturbed, Kills

KILLS, QUICK = 1000, 25


def main():
    bench = measure.Bench("kills", ["--quick"])
    number = int(os.environ.get("QOS_KILLS", QUICK if bench.quick else KILLS))
    with Kills(int(os.environ.get("QOS_SEED", "1"))) as kills:
        try:
            kills.run(number)
        except Disturbed as reason:  # what was seen until then counts, but is not all
            print(reason, file=sys.stderr)
        lapses, watch = kills.lapses()
    long = [lapse for lapse in lapses if lapse["ms"] > lapse["period_ms"]]
    bench.row("kills", -kills.done, "(negated)", -number)
    bench.row("things lost or left behind", len(kills.faults), "", 0, which=kills.faults[:20])
    bench.row("longer than a period without its policy", len(long), "threads", 0, which=long[:20])
    bench.row("without its policy at all", len(lapses), "threads")
    bench.row("the longest of these", max((lapse["ms"] for lapse in lapses), default=0), "ms")
    bench.row("looks at each thread", watch["looks"], "", longest_gap_ms=round(watch["gap_ms"], 1))
    bench.row("start until it answers, median", statistics.median(kills.restarts or [0]), "s")
    bench.end()


main()
