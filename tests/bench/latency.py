#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How late a 1 ms timer wakes its program up at most, in virtual time on a stock RT kernel (2 ns an
instruction): cyclictest under a contract of the module, beside 16 managed streams, against cyclictest
alone under SCHED_FIFO; users of timerfd and of nanosleep beside the 16, managed ones and unmanaged
SCHED_FIFO ones above and below the band.

Bounds: 2 times for cyclictest, 1 ms for the others. Below the band (priority 5) a program waits for what
the 16 streams do, so that is told without a bound.
"""

import sys

import lab
import measure

SHIFT = 1
ABOVE, BELOW = 45, 5


def jobs():
    yield {"who": "cyclictest", "where": "fifo", "priority": 40, "beside": False}
    yield {"who": "cyclictest", "where": "module", "priority": ABOVE, "beside": True}
    for who in ("nanosleep", "timerfd"):
        yield {"who": who, "where": "module", "beside": True}
        for priority in (ABOVE, BELOW):
            yield {"who": who, "where": "fifo", "priority": priority, "beside": True}


def main():
    bench = measure.Bench("latency")
    lab.build_module()
    answers, error = lab.run("latency_guest.py", jobs(), SHIFT, 3000)
    if error:
        sys.exit(error)
    alone, managed, *others = answers
    bench.row("cyclictest, SCHED_FIFO, alone", alone["max"], "us", mean=alone["mean"])
    bench.row("cyclictest, managed, beside 16", managed["max"], "us", mean=managed["mean"])
    bench.row("the same, by alone", managed["max"] / alone["max"], "ratio", 2.0)
    for got in others:
        where = "managed" if got["where"] == "module" else f"SCHED_FIFO {got['priority']}"
        bench.row(f"{got['who']}, {where}, beside 16", got["max"], "us",
                  None if got.get("priority") == BELOW else 1000.0, mean=got["mean"])
    bench.row("windows of the 16 that broke", max(a["violations"] for a in answers[1:]), "windows", 0)
    bench.end()


main()
