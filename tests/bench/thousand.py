#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""1,000 contracts: parsed, checked, admitted and put in force; one of them changed; memory; wake-ups.

Controls of the same run: hashing a fixed amount of memory (a machine's speed), changing 100 of them; for a reload
the question for one contract, which goes the same way and changes nothing, and, where systemd runs, what it needs to
read its units again.
"""

import hashlib
import os
import statistics
import subprocess
import time

import measure
from instance import Instance

N, ROUNDS = 1000, 5
UNCHANGED = ("BPF_MAP_LOOKUP", "BPF_MAP_GET_NEXT_KEY", "ENOENT", "resumed")
CALLS = "bpf,sched_setattr,sched_setscheduler,sched_setaffinity,perf_event_open"


def seconds(call):
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def switches(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)


def births():
    """Processes and threads of the machine so far; each may be one that a contract waits for."""
    with open("/proc/stat", encoding="utf-8") as stat:
        return next(int(line.split()[1]) for line in stat if line.startswith("processes"))


def tracer(qosd):
    """With a filter in the kernel, so that only these calls take longer; it must be there at start."""
    return ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", os.path.join(qosd.dir, "trace"),
            "-e", "trace=" + CALLS]


def changing_calls(qosd, action):
    """How many calls that change the kernel's state the daemon makes during `action`."""
    with open(os.path.join(qosd.dir, "trace"), encoding="utf-8") as trace:
        trace.seek(0, os.SEEK_END)
        action()
        return sum(not any(word in line for word in UNCHANGED) for line in trace)


def reload(qosd):
    qosd.ctl("reload")


def changes(bench):
    """A daemon of its own, since one that is traced is larger and slower."""
    with Instance("version: 1\n") as qosd:
        for number in range(N):
            qosd.write(f"c{number}", measure.small_contract(number))
        qosd.start(under=tracer(qosd))

        def change(some):
            for number in some:
                qosd.write(f"c{number}", measure.small_contract(number, "101us"))
            reload(qosd)

        one = changing_calls(qosd, lambda: change([500]))
        hundred = changing_calls(qosd, lambda: change(range(100)))
        # two a changed stream; the rest is the probe of what the kernel has, on a thread of its own
        bench.row("kernel changes, 1 of 1,000 changed", one, "calls", 10)
        bench.row("the same, by 100 of 1,000 changed", one / max(hundred, 1), "ratio", 0.1)


def one_changed(qosd, number):
    qosd.write(f"c{number}", measure.small_contract(number, "101us"))
    return seconds(lambda: reload(qosd))


def reloads(bench, qosd):
    before = measure.rss_kib(qosd.daemon.pid)
    took = statistics.median(one_changed(qosd, number) for number in range(ROUNDS))
    asked = statistics.median(seconds(lambda: qosd.ctl("show", "c0")) for _ in range(ROUNDS))
    bench.row("reload, 1 of 1,000 changed", took * 1e3, "ms")
    bench.row("growth by these reloads", measure.rss_kib(qosd.daemon.pid) - before, "KiB", 512)
    bench.row("to ask for one contract", asked * 1e3, "ms")
    if os.path.isdir("/run/systemd/system"):
        again = statistics.median(seconds(lambda: subprocess.run(["systemctl", "daemon-reload"], check=True))
                                  for _ in range(ROUNDS))
        bench.row("systemd reads its units again", again * 1e3, "ms")


def main():
    bench = measure.Bench("thousand")
    data = os.urandom(1 << 20)
    control = min(seconds(lambda: [hashlib.sha256(data) for _ in range(200)]) for _ in range(3))
    with Instance("version: 1\n") as qosd:
        qosd.start()
        empty = measure.rss_kib(qosd.daemon.pid)
        for number in range(N):
            qosd.write(f"c{number}", measure.small_contract(number))
        took = seconds(lambda: reload(qosd))
        status = qosd.json("status")
        bench.row("contracts in force", -status["counts"]["in_force"], "(negated)", -N)
        bench.row("1,000 parsed, checked, admitted, in force", took, "s", 1.0)
        bench.row("hashing 200 MiB", control, "s")
        bench.row("the same, by hashing 200 MiB", took / control, "ratio")
        full = measure.rss_kib(qosd.daemon.pid)
        bench.row("daemon without contracts", empty / 1024, "MiB", 8.0)
        bench.row("daemon with 1,000 contracts", full, "KiB", 8 * 1024 + 4 * N)
        woken, born = switches(qosd.daemon.pid), births()
        time.sleep(10)
        woken, born = switches(qosd.daemon.pid) - woken, births() - born
        bench.row("wake-ups, less one a new process", max(0, woken - born) / 10, "a second", 2.0,
                  all=woken / 10, processes=born / 10)
        reloads(bench, qosd)
    changes(bench)
    bench.end()


main()
