#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""In the guest: runs one crowd for each line of the file JOBS, answers with a line in RESULTS.

A line is {"set": "(T,C,x/y,phase) ...", "arm": "module|deadline|fifo|other", "options": {...}}; what
else is in it comes back. Options: seconds, slot_us, shave_us, shave_permille, stagger_us, load, load_weighs
as tests/vm/crowd.c has them; for the module the runtime of a stream is C slots less runtime_us, and interval_us and cap_ppm are its cap.

The kernel's own limits on real-time work are off, so that each policy is seen at its best: no
throttling, no fair server (6.12 would take 50 ms of each second from SCHED_FIFO).
"""

import json
import os
import re
import subprocess
import sys
import time

from genl import Netlink

BUILD = os.environ.get("QOS_BUILD", "build")
FAIR_SERVER = "/sys/kernel/debug/sched/fair_server"
MODULE = f"{BUILD}/kmod/{os.environ.get('QOS_VM', 'rt')}/qos_dwcs.ko"
STREAMS_IN = 32  # in a contract


def write(path, value):
    with open(path, "w", encoding="ascii") as file:
        file.write(value)


def lift_limits():
    write("/proc/sys/kernel/sched_rt_runtime_us", "-1")
    for cpu in os.listdir(FAIR_SERVER) if os.path.isdir(FAIR_SERVER) else ():
        write(f"{FAIR_SERVER}/{cpu}/runtime", "0")


def streams_of(job):
    slot, less = job["options"]["slot_us"] * 1000, job["options"].get("runtime_us", 0) * 1000
    numbers = [list(map(int, re.findall(r"\d+", one))) for one in re.findall(r"\(.*?\)", job["set"])]
    return [{"ID": n + 1, "NAME": f"s{n + 1}", "PERIOD": period * slot, "RUNTIME": cost * slot - less,
             "X": x, "Y": y} for n, (period, cost, x, y, _) in enumerate(numbers)]


def crowd(job):
    options = job["options"]
    given = [f"--{name.replace('_', '-')}={options[name]}" for name in
             ("seconds", "slot_us", "shave_us", "shave_permille", "load", "load_weighs", "stagger_us",
              "probe") if name in options]
    # pylint: disable=consider-using-with
    return subprocess.Popen([f"{BUILD}/tests/crowd", f"--policy={job['arm']}", *given, job["set"]],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def answer(process):
    out, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"crowd ended with {process.returncode}")
    return json.loads(out)


class Module:
    """The module under one job: its threads are attached, and it is asked what it counted itself."""

    def __init__(self):
        if not os.path.isdir("/sys/module/qos_dwcs"):
            subprocess.run(["insmod", MODULE], check=True)
        self.netlink = Netlink()

    def prepare(self, job):
        options = job["options"]
        self.netlink.set("CONFIG_SET", "CONFIG", CAP_PPM=options["cap_ppm"],
                         CAP_INTERVAL=options["interval_us"] * 1000)
        streams = streams_of(job)
        for first in range(0, len(streams), STREAMS_IN):
            self.netlink.set("CONTRACT_SET", "CONTRACT", NAME=f"set{first}",
                             STREAM=streams[first:first + STREAMS_IN])

    def attach(self, process):
        for n, tid in enumerate(json.loads(process.stdout.readline())["tids"]):
            self.netlink.set("ATTACH", "THREAD", TID=tid, STREAM=n + 1, CPU=0)
        process.stdin.write("\n")
        process.stdin.flush()

    def run(self, job):
        self.prepare(job)
        before = self.counters()
        process = crowd(job)
        self.attach(process)
        job.update(answer(process))
        job["module"] = [{name.lower(): one["STATS"][name] for name in
                          ("SERVED", "LOST", "WINDOWS", "VIOLATIONS", "OVERRUNS", "LATENCY_MAX", "USED")}
                         for one in self.netlink.dump("STREAM_GET", "STREAM")]
        after = self.counters()
        job["counters"] = {name.lower(): after[name] - before.get(name, 0) for name in after}
        self.netlink.set("FLUSH", "INFO")

    def counters(self):
        return self.netlink.get("CPU_GET", "CPU", ID=0)["COUNTERS"]


def run(job):
    begin = time.monotonic()
    if job["arm"] == "module":
        Module().run(job)
    else:
        job.update(answer(crowd(job)))
    job["took"] = round(time.monotonic() - begin, 3)


def main():
    jobs, results = sys.argv[1:]
    lift_limits()
    with open(jobs, encoding="utf-8") as lines, open(results, "a", encoding="utf-8") as out:
        for line in lines:
            job = json.loads(line)
            run(job)
            print(json.dumps(job), file=out, flush=True)
            time.sleep(0.2)  # whatever the set kept from running


if __name__ == "__main__":
    main()
