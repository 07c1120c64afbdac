#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the module's choice and its actuation cost beside 1 to 1,000 requests that wait, in virtual time on a
stock RT kernel (2 ns an instruction), next to SCHED_DEADLINE and SCHED_FIFO in the same run.

Measured from outside: the time of the CPU less what the other threads got of it and less what the job
itself needs, per job (tests/vm/crowd.c, --probe). So one job's cost is its timer, its wakeup, the switch
to it and the switch away.

  one job    a thread of 2 ms that preempts whoever runs. Under the module it is armed ahead: two choices
             and no change of a policy.
  a pair     a second thread is released while the first runs, and may not preempt it: two changes of
             priority a period, which `a change` is computed from, the dispatcher's own switches included.

`others` are that many requests of 4 s that are live all the time. Bounds: growth from 10 to 1,000 others at
most as log n, that is 3 times. (Every 2 s the cap comes into force, which is one change for each runnable
thread; it is not in here.)
"""

import math
import sys

import lab
import measure

SHIFT, OTHERS = 1, (1, 10, 100, 1000)
ONE, PAIR = "(20,2,0/1,10)", "(20,3,0/1,10) (20,2,0/1,12)"
OPTIONS = {"seconds": 1, "slot_us": 100, "shave_us": 45, "probe": 1, "cap_ppm": 950000,
           "interval_us": 2000000}


def jobs():
    for others in OTHERS:
        for what, streams in (("one", ONE), ("pair", PAIR)):
            for arm in ("fifo", "deadline", "module"):
                yield {"set": streams + " (40000,10000,0/1,0)" * others, "arm": arm,
                       "what": what, "others": others, "options": OPTIONS}


def cost_of(answers):
    """(what, arm, others) -> us a job"""
    return {(a["what"], a["arm"], a["others"]): a["job_cost_ns"] / 1000 for a in answers}


def changes_of(answers):
    """others -> changes of policy in a period of the pair, those of the start left out"""
    return {a["others"]: max(a["counters"]["changes"] - a["counters"]["anchors"], 0)
            / a["streams"][0]["requests"] for a in answers if a["what"] == "pair" and "counters" in a}


def tell(bench, cost, changes):
    growth = math.log(OTHERS[-1]) / math.log(10)
    for others in OTHERS:
        for arm in ("fifo", "deadline", "module"):
            bench.row(f"one job, {arm}, {others} others", cost["one", arm, others], "us")
    for others in OTHERS:
        bench.row(f"the module's choices, {others} others",
                  cost["one", "module", others] - cost["one", "fifo", others], "us a job")
    a_change = {}
    for others in OTHERS[1:]:
        extra = cost["pair", "module", others] - cost["pair", "module", 1]
        a_change[others] = extra / max(changes[others] - changes[1], 0.01)
        bench.row(f"a change, {others} others", a_change[others], "us",
                  changes_a_period=round(changes[others], 2))
    bench.row("choices, 1,000 by 10 others",
              (cost["one", "module", 1000] - cost["one", "fifo", 1000])
              / (cost["one", "module", 10] - cost["one", "fifo", 10]), "ratio", growth)
    bench.row("a change, 1,000 by 10 others", a_change[1000] / a_change[10], "ratio", growth)


def main():
    bench = measure.Bench("actuation")
    lab.build_module()
    answers, error = lab.run("windows_guest.py", jobs(), SHIFT, 3000)
    if error:
        sys.exit(error)
    tell(bench, cost_of(answers), changes_of(answers))
    bench.end()


main()
