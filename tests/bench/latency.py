#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How late a 1 ms timer wakes its program up at most, in virtual time on a stock RT kernel (2 ns an
instruction): cyclictest under a contract of the module, beside 16 managed streams, against cyclictest
alone under SCHED_FIFO, and against the same beside the 16, above the band, which shows what their own
timers cost whoever wakes up; users of timerfd and of nanosleep beside the 16, managed ones and unmanaged
SCHED_FIFO ones above and below the band.

cyclictest runs ROUNDS times in each way, and the largest maximum counts: a single one differs by half
from run to run. It must have been the module's all the time.

Bounds: 2 times for cyclictest, 1 ms for the others. Below the band (priority 5) a program waits for what
the 16 streams do, so that is told without a bound.
"""

import sys

import lab
import measure

SHIFT = 1
ABOVE, BELOW = 45, 5
ROUNDS = 3
COUNT = 3000  # as latency_guest.py has it


def jobs():
    for _ in range(ROUNDS):
        yield {"who": "cyclictest", "where": "fifo", "priority": 40, "beside": False}
    for _ in range(ROUNDS):  # ABOVE until it is attached
        yield {"who": "cyclictest", "where": "module", "priority": ABOVE, "beside": True}
    for _ in range(ROUNDS):
        yield {"who": "cyclictest", "where": "fifo", "priority": ABOVE, "beside": True}
    for who in ("nanosleep", "timerfd"):
        yield {"who": who, "where": "module", "beside": True}
        for priority in (ABOVE, BELOW):
            yield {"who": who, "where": "fifo", "priority": priority, "beside": True}


def largest(rounds):
    return max(one["max"] for one in rounds)


def main():
    bench = measure.Bench("latency")
    lab.build_module()
    answers, error = lab.run("latency_guest.py", jobs(), SHIFT, 3000)
    if error:
        sys.exit(error)
    alone, managed, above = (answers[i * ROUNDS:(i + 1) * ROUNDS] for i in range(3))
    others = answers[3 * ROUNDS:]
    for what, rounds in ("SCHED_FIFO, alone", alone), ("managed, beside 16", managed), \
            (f"SCHED_FIFO {ABOVE}, beside 16", above):
        bench.row(f"cyclictest, {what}", largest(rounds), "us", each=[one["max"] for one in rounds],
                  mean=[one["mean"] for one in rounds])
    bench.row("managed, by alone", largest(managed) / largest(alone), "ratio", 2.0)
    bench.row("managed, by SCHED_FIFO beside 16", largest(managed) / largest(above), "ratio")
    bench.row("wakeups of cyclictest that were not mandatory",
              max(COUNT - one["stats"]["MANDATORY"] for one in managed), "wakeups", COUNT // 10)
    for got in others:
        where = "managed" if got["where"] == "module" else f"SCHED_FIFO {got['priority']}"
        bench.row(f"{got['who']}, {where}, beside 16", got["max"], "us",
                  None if got.get("priority") == BELOW else 1000.0, mean=got["mean"])
    bench.row("windows of the 16 that broke", max(a["violations"] for a in answers[ROUNDS:]), "windows", 0)
    bench.end()


main()
