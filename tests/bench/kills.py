#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""1,000 SIGKILLs at random moments under load, while clients apply, adjust, confirm, plan and reload (tests/live/kills.py
says what is judged).

  kills.py [--json] [--quick] [--vm]

--vm: in the lab, in virtual time (2 ns an instruction), beside the module, which goes and comes back under load too; 25
kills a boot. QOS_KILLS: another number; QOS_SEED: other moments.
"""

import os
import statistics
import sys

import lab
import measure
from kills import Disturbed, Kills

KILLS, QUICK, A_BOOT = 1000, 25, 25
SHIFT, BOOT_S = 1, 3000


def here(seed, number):
    with Kills(seed) as kills:
        try:
            kills.run(number)
        except Disturbed as reason:  # what was seen until then counts, but is not all
            print(reason, file=sys.stderr)
        return [kills.found()]


def one_boot(program, jobs, shift, timeout):
    return lab.run_with_daemon(program, jobs, shift, timeout, jobs[0]["seed"])


def in_the_lab(seed, number):
    """As many machines as there are CPUs. A boot that fails has killed less."""
    lab.build_module()
    boots = [[{"seed": seed * KILLS + first, "kills": min(A_BOOT, number - first)}] for first in range(0, number, A_BOOT)]
    return lab.run_batches("kills_guest.py", boots, SHIFT, BOOT_S, os.cpu_count(), one_boot=one_boot)[0]


def main():
    bench = measure.Bench("kills", ["--quick", "--vm"])
    number = int(os.environ.get("QOS_KILLS", QUICK if bench.quick else KILLS))
    found = (in_the_lab if "--vm" in sys.argv[1:] else here)(int(os.environ.get("QOS_SEED", "1")), number)

    def every(what):
        return [one for part in found for one in part[what]]
    lapses, faults = every("lapses"), every("faults")
    long = [lapse for lapse in lapses if lapse["ms"] > lapse["period_ms"]]
    bench.row("kills", -sum(part["done"] for part in found), "(negated)", -number)
    bench.row("things lost or left behind", len(faults), "", 0, which=faults[:20])
    bench.row("longer than a period without its policy", len(long), "threads", 0, which=long[:20])
    bench.row("without its policy at all", len(lapses), "threads")
    bench.row("the longest of these", max((lapse["ms"] for lapse in lapses), default=0), "ms")
    bench.row("looks at each thread", sum(part["watch"]["looks"] for part in found), "",
              longest_gap_ms=round(max((part["watch"]["gap_ms"] for part in found), default=0), 1))
    bench.row("start until it answers, median", statistics.median(every("restarts") or [0]), "s")
    bench.end()


main()
