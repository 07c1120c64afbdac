#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""From an event in the kernel to the attribute in force, in virtual time on a stock RT kernel with the
module (8 ns an instruction): a job that needs three times what the last one did, until another runtime is
in force; by a rule in the kernel, by the same rule in a sandboxed process, and by the slow loop, idle and
beside two endless SCHED_OTHER programs.

Bounds: a rule reacts to every step; in the kernel its p99 is at most a tenth of the sandbox's, and of the slow
loop's.
"""

import os
import subprocess
import sys

import lab
import measure

SHIFT = 3
STEPS = {"kernel": 100, "user": 100, "slow": 5}
BUILD = os.path.join(lab.TOP, "build/reaction")


def build():
    os.makedirs(BUILD, exist_ok=True)
    sources = os.path.join(lab.TOP, "tests/vm")
    subprocess.run(["clang", "-g", "-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror",
                    "-D__TARGET_ARCH_x86", "-idirafter", "/usr/include/x86_64-linux-gnu",
                    "-c", f"{sources}/reaction.bpf.c", "-o", f"{BUILD}/reaction.bpf.o"], check=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", f"{BUILD}/reaction",
                    f"{sources}/reaction.c", "-lbpf"], check=True)


def part(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main():
    bench = measure.Bench("reaction")
    lab.build_module()
    build()
    jobs = [{"arm": arm, "load": load, "steps": steps} for load in (False, True)
            for arm, steps in STEPS.items()]
    answers, error = lab.run("reaction_guest.py", jobs, SHIFT, 3000)
    if error:
        sys.exit(error)
    p99 = {}
    for got in answers:
        arm, load, values = got["arm"], "loaded" if got["load"] else "idle", [ns / 1e3 for ns in got["ns"]]
        if not values:
            sys.exit(f"{arm}, {load}: no reaction in {got['steps']} steps")
        p99[arm, load] = part(values, .99)
        bench.row(f"{arm}, {load}: p50", part(values, .5), "us", reactions=len(values), steps=got["steps"])
        bench.row(f"{arm}, {load}: p99", p99[arm, load], "us")
        bench.row(f"{arm}, {load}: max", max(values), "us")
    for load in ("idle", "loaded"):
        for other in [arm for arm in STEPS if arm != "kernel"]:
            bench.row(f"kernel by {other}, {load}: p99", p99["kernel", load] / p99[other, load], "ratio", 0.1)
    bench.end()


main()
