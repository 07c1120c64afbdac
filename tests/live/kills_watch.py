#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Looks above everybody at threads that must not be ordinary ones: kills_watch.py OUT [module]. Each 4 ms; with
`module`, those that it has may be ordinary, and it is asked, each 10 ms.

The first line of its standard input is PID PERIOD_MS...; it is started long before, because what a real-time program used
since its start counts as what it takes away from contracts. OUT gets a line of JSON for each time that one was without its
policy, as far as it was seen: {pid, at, ms, period_ms}; and, when its standard input ends, one of {looks, gap_ms}: the
longest time that it did not look itself.
"""
import gc
import json
import os
import select
import sys
import time

EACH_S, EACH_ASKING_S = 0.004, 0.01


def has_policy(pid):
    return os.sched_getscheduler(pid) != os.SCHED_OTHER


class Asking:
    """Has the module this thread? It comes and goes, and its family with it."""

    def __init__(self):
        sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vm"))
        import genl  # pylint: disable=import-outside-toplevel
        self.genl, self.module = genl, None

    def __call__(self, pid):
        if has_policy(pid):
            return True
        for _ in range(2):
            try:
                self.module = self.module or self.genl.Netlink()
                return self.module.get("THREAD_GET", "THREAD", TID=pid)["TID"] == pid
            except (self.genl.Refused, OSError):
                self.module = None
        return False


def main():
    asks = sys.argv[2:] == ["module"]
    is_served, each_s = (Asking(), EACH_ASKING_S) if asks else (has_policy, EACH_S)
    words = sys.stdin.buffer.raw.readline().split()
    pids = {int(pid): float(period) for pid, period in zip(words[::2], words[1::2])}
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
    gc.disable()
    since, seen, looks, gap, last = {}, {}, 0, 0.0, time.monotonic()
    with open(sys.argv[1], "w", buffering=1, encoding="utf-8") as out:
        while not select.select([sys.stdin], [], [], each_s)[0]:
            now = time.monotonic()
            gap, last, looks = max(gap, now - last), now, looks + 1
            for pid, period in pids.items():
                if not is_served(pid):
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
