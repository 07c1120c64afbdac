#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What rules cost: a run of 1, 5, 20 rules; a context switch with 1 and 1,000 contracts that have them;
from a contract's text to its loaded extension; 1,000 of them in the daemon; memory."""

import json
import os
import subprocess
import time

import measure
from instance import BUILD, Instance

N = 1000
RULES = """adapt:
  rules:
    - event: cpu.loop.job
      when: ewma(cpu.loop.slack, 1/8) < 1ms
      set:
        cpu.loop.runtime: min(cpu.loop.runtime * 110%, 150us)
"""


def in_daemon(rules):
    """(seconds from the order to all in force, KiB of the daemon) for N contracts with `rules`."""
    with Instance("version: 1\n") as qosd:
        qosd.start()
        for number in range(N):
            qosd.write(f"c{number}", measure.small_contract(number) + rules)
        begin = time.monotonic()
        qosd.ctl("reload")
        took = time.monotonic() - begin
        states = {(c["rules"] or {}).get("state") for c in qosd.json("list")["contracts"]}
        if states != ({"running"} if rules else {None}):
            raise SystemExit(f"bench extension: states {states}")
        return took, measure.rss_kib(qosd.daemon.pid)


def main():
    bench = measure.Bench("extension")
    done = subprocess.run([os.path.join(BUILD, "tests/extension")], check=True, text=True,
                          stdout=subprocess.PIPE)
    figures = json.loads(done.stdout)
    for rules in (1, 5, 20):
        bench.row(f"one run, {rules} rules", figures[f"run_ns_{rules}"], "ns")
    bench.row("switches of a job's cycle, no rules", figures["switch_ns_none"], "ns")
    bench.row("the same, 1 contract with a rule", figures["switch_ns_1"], "ns")
    bench.row("the same, 1,000 contracts with a rule", figures["switch_ns_1000"], "ns")
    bench.row("1,000 by 1", figures["switch_ns_1000"] / figures["switch_ns_1"], "ratio", 1.1)
    bench.row("contract to loaded extension, median", figures["contract_ms"], "ms", 5.0)
    bench.row("1,000 of them", figures["load_s"], "s", 5.0)
    bench.row("kernel memory a contract", figures["kernel_bytes"], "bytes")
    without, lean = in_daemon("")
    took, full = in_daemon(RULES)
    bench.row("1,000 contracts in the daemon, no rules", without, "s")
    bench.row("the same with a rule each", took, "s", 5.0)
    bench.row("daemon's memory for a contract's rules", (full - lean) / N, "KiB")
    bench.end()


main()
