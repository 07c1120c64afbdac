#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Looks above everybody, each 4 ms, at threads that must not be ordinary ones: kills_watch.py OUT PID PERIOD_MS...

OUT gets a line of JSON for each time that one was without its policy, as far as it was seen: {pid, at, ms, period_ms};
and, when its standard input ends, one of {looks, gap_ms}: the longest time that it did not look itself.
"""
import gc
import json
import os
import select
import sys
import time

EACH_S = 0.004


def main():
    pids = {int(pid): float(period) for pid, period in zip(sys.argv[2::2], sys.argv[3::2])}
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
    gc.disable()
    since, seen, looks, gap, last = {}, {}, 0, 0.0, time.monotonic()
    with open(sys.argv[1], "w", buffering=1, encoding="utf-8") as out:
        while not select.select([sys.stdin], [], [], EACH_S)[0]:
            now = time.monotonic()
            gap, last, looks = max(gap, now - last), now, looks + 1
            for pid, period in pids.items():
                if os.sched_getscheduler(pid) == os.SCHED_OTHER:
                    since.setdefault(pid, now)
                    seen[pid] = now
                elif pid in since:
                    begin = since.pop(pid)
                    out.write(json.dumps({"pid": pid, "at": begin, "ms": (seen[pid] - begin) * 1e3,
                                          "period_ms": period}) + "\n")
        for pid, begin in since.items():
            out.write(json.dumps({"pid": pid, "at": begin, "ms": (seen[pid] - begin) * 1e3,
                                  "period_ms": pids[pid]}) + "\n")
        out.write(json.dumps({"looks": looks, "gap_ms": gap * 1e3}) + "\n")


main()
