#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the guest: for each line {"who": "cyclictest|nanosleep|timerfd", "where": "fifo|module",
"beside": bool} of the file JOBS how late that program's 1 ms timer was at most, in RESULTS.

beside: 16 managed streams and an endless SCHED_OTHER process. module: it is a stream itself, of 80 us each
ms, and its requests are mandatory ones, as admission would have it; fifo: at "priority", unmanaged.
cyclictest has a priority in both cases, for it measures at once, and is attached only then.
"""

import json
import os
import re
import subprocess
import sys
import time

from windows_guest import BUILD, Module, answer, crowd, lift_limits

COUNT = 3000
SLOT_US = 500
CROWD = " ".join(f"({20 + n},1,{n % 3}/{n % 3 + 1},{n})" for n in range(16))
CAP = {"cap_ppm": 950000, "interval_us": 2000000}
OWN = {"ID": 100, "NAME": "own", "PERIOD": 1000000, "DEADLINE": 400000, "RUNTIME": 80000, "X": 0, "Y": 1}


def cyclictest(priority):
    """The program, and its measuring thread's tid: the one line that it prints is at its end."""
    # pylint: disable=consider-using-with
    program = subprocess.Popen(["cyclictest", "-q", "-m", "-t1", "-i1000", f"-l{COUNT}",
                                f"-p{priority}"], stdout=subprocess.PIPE, text=True)
    while True:
        tids = sorted(map(int, os.listdir(f"/proc/{program.pid}/task")))
        # who is attached before it set its own priority drifts, and is left alone
        if len(tids) == 2 and os.sched_getparam(tids[1]).sched_priority == priority:
            time.sleep(0.05)
            return program, tids[1]


def naps(kind, priority):
    # pylint: disable=consider-using-with
    program = subprocess.Popen([f"{BUILD}/tests/naps", kind, "1000", str(COUNT), str(priority)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return program, json.loads(program.stdout.readline())["tids"][0]


def begin(job):
    priority = job.get("priority", 0)
    return cyclictest(priority) if job["who"] == "cyclictest" else naps(job["who"], priority)


def end(job, program):
    """us"""
    if job["who"] == "cyclictest":
        out = program.communicate()[0]
        job["max"], job["mean"] = (int(re.search(rf"{name}:\s*(\d+)", out).group(1))
                                   for name in ("Max", "Avg"))
        return
    got = json.loads(program.communicate("\n")[0])
    job["max"], job["mean"] = got["late_max_ns"] / 1000, got["late_mean_ns"] / 1000


def manage(module, tid):
    module.netlink.set("CONTRACT_SET", "CONTRACT", NAME="own", STREAM=[OWN])
    module.netlink.set("ATTACH", "THREAD", TID=tid, STREAM=100, CPU=0)
    module.netlink.set("TABLE_SET", "TABLE", STREAM=100, MODE=1, PREFIX=0, CYCLE=1, BITS=b"\1")


def beside_crowd(job):
    module = Module()
    others = {"set": CROWD, "arm": "module",
              "options": {"seconds": COUNT // 1000 + 4, "slot_us": SLOT_US, "shave_us": 100, "load": 1,
                          "runtime_us": 40, **CAP}}
    module.prepare(others)
    process = crowd(others)
    module.attach(process)
    program, tid = begin(job)
    if job["where"] == "module":
        manage(module, tid)
    end(job, program)
    streams = answer(process)["streams"]
    job["windows"] = sum(stream["windows"] for stream in streams)
    job["violations"] = sum(stream["violations"] for stream in streams)
    if job["where"] == "module":
        stats = module.netlink.get("STREAM_GET", "STREAM", ID=100)
        job["stats"] = {name: stats["STATS"][name] for name in ("SERVED", "LOST", "OVERRUNS", "MANDATORY")}
        job["proven"] = stats.get("PROVEN")
    module.netlink.set("FLUSH", "INFO")


def main():
    jobs, results = sys.argv[1:]
    lift_limits()
    with open(jobs, encoding="utf-8") as lines, open(results, "a", encoding="utf-8") as out:
        for job in map(json.loads, lines):
            if job["beside"]:
                beside_crowd(job)
            else:
                end(job, begin(job)[0])
            print(json.dumps(job), file=out, flush=True)


main()
