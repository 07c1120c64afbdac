#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""From the daemon's start to its first contract in force, as it tells itself on the bus, and until a thread that ran
before it has its scheduling; medians. The controls, in turns with it: from the start of runqlat and of bpftrace to
their probes in the kernel (tracers.py).

  startup.py [--json] [--quick]
"""

import os
import statistics
import time

import measure
import tracers
from contracts import PERIODIC, PYTHON, contract
from instance import Instance, until

ROUNDS, QUICK = 9, 3


def first_in_force(qosd):
    for event in qosd.json("events")["events"]:
        if event["kind"] == "in-force" and event["contract"] == "first":
            return event["at"]
    return None


def start():
    """Seconds until in force, and until the thread is scheduled."""
    with Instance("version: 1\n") as qosd:
        qosd.write("first", contract("first"))
        program = qosd.run(PYTHON, PERIODIC, "first", "20", "0.1")
        until("it runs", lambda: "periodic.py" in cmdline(program.pid))
        begin, wall = time.monotonic(), time.time()
        qosd.start(ready=False)
        while os.sched_getscheduler(program.pid) == os.SCHED_OTHER:
            if time.monotonic() > begin + 20 or qosd.daemon.poll() is not None:
                raise SystemExit("bench startup: the thread was not scheduled")
            time.sleep(0.0002)
        scheduled = time.monotonic() - begin
        until("qosd answers", qosd.answers)
        return until("it is in force", lambda: first_in_force(qosd)) - wall, scheduled


def cmdline(pid):
    with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
        return file.read()


def attach(name):
    with tracers.Tracer(name) as tracer:
        return tracer.start_s


def main():
    bench = measure.Bench("startup", ["--quick"])
    took = {"first contract in force": [], "its thread is scheduled": [], "runqlat": [], "bpftrace": []}
    for _ in range(QUICK if bench.quick else ROUNDS):
        in_force, scheduled = start()
        took["first contract in force"].append(in_force)
        took["its thread is scheduled"].append(scheduled)
        for name in ("runqlat", "bpftrace"):
            took[name].append(attach(name))
    for what, seconds in took.items():
        bench.row(f"start to {what}" if what not in tracers.COMMANDS else f"{what} attached",
                  statistics.median(seconds) * 1e3, "ms", least=round(min(seconds) * 1e3, 1))
    bench.end()


main()
