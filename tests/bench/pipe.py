#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What the monitor costs: `perf bench sched pipe` on one CPU, interleaved rounds, medians.

Unmanaged with 1,000 contracts loaded against no daemon, without any contracted thread (then the
scheduler has no hook) and with one; managed against libbpf-tools' runqlat and bpftrace (tracers.py), which
measure less. The pipe runs under SCHED_FIFO below the daemon, so that other programs of the machine do not
come between.

  pipe.py [--json] [--quick]
"""

import os
import re
import shutil
import statistics
import subprocess
import time

import measure
import tracers
from contracts import PERIODIC, PYTHON, contract
from instance import Instance, until

ROUNDS, QUICK = 7, 3
LOOPS = 60000
PIPE = ["taskset", "-c", "0", "chrt", "-f", "5", "perf", "bench", "sched", "pipe", "-l", str(LOOPS)]

MANAGED = """version: 1
contract: pipe
match:
  - exe: {perf}
    user: root
cpu:
  period: 10ms
  runtime: 5ms
  window: 1/10
  max-threads: 2
  manage: observe
"""


def one_pipe():
    out = subprocess.run(PIPE, capture_output=True, text=True, check=True).stdout
    return float(re.search(r"([\d.]+) usecs/op", out).group(1))


class Arm:
    """A way to run the pipe: what must run beside it."""

    def __init__(self, name):
        self.name = name
        self.samples = []
        self.rss = []  # KiB of what ran beside it

    def median(self):
        return statistics.median(self.samples)


def with_tracer(arm):
    with tracers.Tracer(arm.name) as tracer:
        arm.samples.append(one_pipe())
        arm.rss.append(tracer.rss_kib)


def with_daemon(arm, managed, beside=False):
    with Instance("version: 1\n") as qosd:
        if beside:
            qosd.write("beside", contract("beside", "  manage: observe\n"))
            qosd.run(PYTHON, PERIODIC, "beside", "20", "0.1")
        for number in range(1000 - managed):
            qosd.write(f"c{number}", measure.small_contract(number))
        if managed:
            qosd.write("pipe", MANAGED.format(perf=os.path.realpath(shutil.which("perf"))))
        qosd.start()
        if beside:
            until("it is measured", lambda: qosd.stream("beside")["stats"]["jobs"])
        else:
            time.sleep(2)  # two turns of the slow loop, after which nothing is hooked
        arm.samples.append(one_pipe())
        if managed:
            until("the pipe was measured", lambda: qosd.stream("pipe")["stats"]["used_ns"] > 0)


def main():
    bench = measure.Bench("pipe", ["--quick"])
    names = ("alone", "unmanaged", "beside one thread", "managed", "runqlat", "bpftrace")
    alone, unmanaged, beside, managed, runqlat, bpftrace = arms = [Arm(name) for name in names]
    for _ in range(QUICK if bench.quick else ROUNDS):
        alone.samples.append(one_pipe())
        with_daemon(unmanaged, 0)
        with_daemon(beside, 0, True)
        with_daemon(managed, 1)
        with_tracer(runqlat)
        with_tracer(bpftrace)
    for arm in arms:
        bench.row(f"pipe, {arm.name}", arm.median(), "us/op", best=min(arm.samples))
    bench.row("unmanaged by alone", unmanaged.median() / alone.median(), "ratio", 1.10)
    bench.row("unmanaged beside one contracted thread by alone",
              beside.median() / alone.median(), "ratio")
    bench.row("managed by runqlat", managed.median() / runqlat.median(), "ratio", 1.0)
    bench.row("managed by bpftrace", managed.median() / bpftrace.median(), "ratio")
    for arm in (runqlat, bpftrace):
        bench.row(f"memory of {arm.name}", statistics.median(arm.rss), "KiB")
    bench.end()


main()
