#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""1,000 contracts: parsed, checked, admitted and put in force; one of them changed; memory; wake-ups.

Controls of the same run: hashing a fixed amount of memory (a machine's speed), changing 100 of them.
"""

import hashlib
import os
import subprocess
import time

import measure
from instance import Instance

N = 1000
UNCHANGED = ("BPF_MAP_LOOKUP", "BPF_MAP_GET_NEXT_KEY", "ENOENT", "resumed")
CALLS = "bpf,sched_setattr,sched_setscheduler,sched_setaffinity,perf_event_open"


def seconds(call):
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def switches(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)


def changing_calls(qosd, action):
    """How many calls that change the kernel's state the daemon makes during `action`. The tracer is
    asked twice a call, so it must not wait behind other load, or qosctl gives up."""
    trace = os.path.join(qosd.dir, "trace")
    # pylint: disable=consider-using-with
    tracer = subprocess.Popen(["chrt", "--fifo", "5", "strace", "-f", "-qq", "-o", trace, "-e", "trace=" + CALLS,
                               "-p", str(qosd.daemon.pid)], stderr=subprocess.DEVNULL)
    time.sleep(1.0)
    action()
    tracer.terminate()
    tracer.wait()
    with open(trace, encoding="utf-8") as lines:
        return sum(not any(word in line for word in UNCHANGED) for line in lines)


def reload(qosd):
    qosd.ctl("reload")


def main():
    bench = measure.Bench("thousand")
    data = os.urandom(1 << 20)
    control = min(seconds(lambda: [hashlib.sha256(data) for _ in range(200)]) for _ in range(3))
    with Instance("version: 1\n") as qosd:
        qosd.start()
        empty = rss_kib(qosd.daemon.pid)
        for number in range(N):
            qosd.write(f"c{number}", measure.small_contract(number))
        took = seconds(lambda: reload(qosd))
        status = qosd.json("status")
        bench.row("contracts in force", -status["counts"]["in_force"], "(negated)", -N)
        bench.row("1,000 parsed, checked, admitted, in force", took, "s", 1.0)
        bench.row("the same, by hashing 200 MiB", took / control, "ratio")
        full = rss_kib(qosd.daemon.pid)
        bench.row("daemon without contracts", empty / 1024, "MiB", 8.0)
        bench.row("daemon with 1,000 contracts", full, "KiB", 8 * 1024 + 4 * N)

        def change(some):
            for number in some:
                qosd.write(f"c{number}", measure.small_contract(number, "101us"))
            reload(qosd)

        one = changing_calls(qosd, lambda: change([500]))
        hundred = changing_calls(qosd, lambda: change(range(100)))
        # two a changed stream; the rest is the probe of what the kernel has, on a thread of its own
        bench.row("kernel changes, 1 of 1,000 changed", one, "calls", 10)
        bench.row("the same, by 100 of 1,000 changed", one / max(hundred, 1), "ratio", 0.1)
        before = switches(qosd.daemon.pid)
        time.sleep(10)
        bench.row("wake-ups when nothing happens", (switches(qosd.daemon.pid) - before) / 10,
                  "a second", 2.0)
    bench.end()


main()
