#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Does adaptation in the kernel cause fewer service violations? In virtual time (2 ns an instruction) on a stock RT
kernel: a periodic program whose demand changes at run time, under each way to manage it, idle and beside endless
SCHED_OTHER programs. Last line: one JSON object.

  violations.py [--quick] [--only WORKLOAD[,MS[,LOAD]]] [--seed N] [--seeds N | --repeat] [--html FILE] [--json]
                [--machines N]

All adaptive arms have one law: the runtime follows what the last job used, times a gain, within one range; who
hears of an overrun gives it the top of the range. User-level controllers run at SCHED_FIFO 98, above every managed
thread. The gain of each arm is the best of GAINS on other seeds (fewest violations, then least reserved). Violations
are counted by the program itself, whoever schedules it: windows of Y jobs with more than X late.

The network's part is that of bottleneck.py, whose arms are its own, whole or not at all: not with --quick, --seeds or
--repeat.

Bounds (violations_rows.misses): in the kernel there are at most a tenth of the violations of polling each 10 ms where
demand changes each 100 ms or sooner; no more than any other adaptive arm has that leaves as much to others; and it takes no
more CPU than those that act at each job. With --repeat, two runs with one seed agree to 1 %. Method and limits:
qos-evaluation(7).
"""
import argparse
import datetime
import itertools
import os
import random
import subprocess
import sys

import bottleneck
import lab
import violations_demand
import violations_page
import violations_rows
from violations_demand import BUILD
from violations_rows import ADAPTIVE, ARMS

SHIFT = 1
PLAN = {"period_us": 1000, "x": 3, "y": 10, "lo_us": 100, "hi_us": 750, "base_us": 400, "rival_us": 100, "hogs": 2}
GAINS = (105, 115, 130)
CHANGES_MS = (1, 10, 100, 1000, 10000)
JOBS = 2000
FILES = ("tests/vm/genl.py tests/vm/lab_test.py tests/live/contracts.py tests/live/instance.py kmod/uapi build/cli/qosctl"
         " build/daemon/qosd build/daemon/qosd-parse build/daemon/qosd-sandbox build/tests/controller build/violations/workload"
         " build/violations/controller.bpf.o build/kmod/rt/qos_dwcs.ko").split()
KINDS = [("step", change) for change in CHANGES_MS] + [("ramp", 100), ("burst", 100), ("video", 40), ("jitter", 100),
                                                       ("overload", 100)]
QUICK = [("step", 10), ("step", 100)]
LINK = ("bottleneck", bottleneck.EACH_S * 1000, "full")


def build():
    os.makedirs(BUILD, exist_ok=True)
    sources = os.path.join(lab.TOP, "tests/vm")
    subprocess.run(["clang", "-g", "-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-D__TARGET_ARCH_x86",
                    "-idirafter", "/usr/include/x86_64-linux-gnu",
                    "-c", f"{sources}/controller.bpf.c", "-o", f"{BUILD}/controller.bpf.o"], check=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", f"{BUILD}/workload",
                    f"{sources}/workload.c"], check=True)
    violations_demand.build()


# --- runs ---

def job(seed, workload, change_ms, load, arm, percent):
    """All arms of a seed have the same demand, and pollers the same phase."""
    rng = random.Random(f"{seed} {workload} {change_ms}")
    n = max(JOBS, change_ms * 1000 // PLAN["period_us"])
    jobs = max(1, change_ms * 1000 // PLAN["period_us"])
    return {"workload": workload, "change_ms": change_ms, "load": load, "arm": arm, "percent": percent, "plan": PLAN,
            "seed": seed, "phase": rng.random(), "demand": violations_demand.demand(rng, workload, n, jobs),
            "rival": violations_demand.demand(rng, "burst", n, jobs) if workload == "overload" else []}


def one_boot(program, batch, shift, timeout):
    """What it says depends on the jobs alone, so their place among all is none of the guest's business."""
    place, jobs = batch
    answers, error = lab.run_closed(program, jobs, shift, timeout, FILES, jobs[0]["seed"])
    for got in answers:
        got["place"] = [place, ARMS.index(got["arm"]), got["percent"]]
    return answers, error


def run_all(plans, machines):
    """In the order of the jobs. Each plan has a boot for each workload and load, so that a run is the same whatever else
    runs."""
    groups = [list(of_kind) for jobs in plans
              for _, of_kind in itertools.groupby(jobs, key=lambda one: (one["workload"], one["change_ms"], one["load"]))]
    batches = list(enumerate(groups))
    answers, errors = lab.run_batches("violations_guest.py", batches, SHIFT, 6000, machines, one_boot=one_boot)
    if errors:
        sys.exit(1)
    return sorted(answers, key=lambda got: got["place"])


def tune(seed, machines):
    """The gain of each adaptive arm."""
    answers = run_all([[job(seed + 1000, "step", 100, "full", arm, percent) for arm in ADAPTIVE for percent in GAINS]],
                      machines)
    best = {}
    for got in sorted(answers, key=lambda got: (got["violations"], got["percent"])):
        best.setdefault(got["arm"], got["percent"])
    return best


def kinds(options):
    """Those that begin as --only does."""
    once = not options.repeat and options.seeds == 1
    whole = [(workload, change_ms, load) for workload, change_ms in (QUICK if options.quick else KINDS)
             for load in (("full",) if options.quick else ("idle", "full"))] + ([LINK] if once and not options.quick else [])
    only = options.only.split(",") if options.only else []
    return [kind for kind in whole if list(map(str, kind))[:len(only)] == only]


def plan(seed, gains, options):
    return [job(seed, *kind, arm, gains.get(arm, 100)) for kind in kinds(options) if kind != LINK for arm in ARMS]


def runs(options, gains, seeds):
    """Rows by seed, and what the page shows of the first one."""
    jobs = [plan(seed, gains, options) for seed in seeds]
    answers = run_all(jobs, options.machines)
    n = len(jobs[0])
    return [list(map(violations_rows.row, answers[i * n:(i + 1) * n])) for i in range(len(seeds))], answers[:n]


# --- what is said ---

def arguments():
    parser = argparse.ArgumentParser()
    for flag in ("--json", "--quick"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--html")
    parser.add_argument("--only")
    parser.add_argument("--seed", type=int, default=1)
    several = parser.add_mutually_exclusive_group()
    several.add_argument("--seeds", type=int, default=1)
    several.add_argument("--repeat", action="store_true")
    parser.add_argument("--machines", type=int, default=os.cpu_count())
    options = parser.parse_args()
    if options.seeds < 1 or options.machines < 1:
        parser.error("--seeds and --machines take 1 or more")
    if not kinds(options):
        parser.error(f"nothing runs that is {options.only}")
    return options


def what_ran(options, seeds):
    return (f"{datetime.date.today()}, seeds {', '.join(map(str, seeds))}{', --quick' if options.quick else ''}"
            f"{', --only ' + options.only if options.only else ''}; virtual time, "
            f"{2 ** SHIFT} ns an instruction. Plots over time and of reactions: the first seed.")


def tell(rows):
    for text in violations_rows.table(rows):
        print(text)
    for text in violations_rows.no_help(rows):
        print(f"no help  {text}")


def main():
    options = arguments()
    lab.build_module()
    build()
    quick = options.quick or kinds(options) == [LINK]
    gains = {arm: GAINS[1] for arm in ADAPTIVE} if quick else tune(options.seed, options.machines)
    seeds = [options.seed] * 2 if options.repeat else range(options.seed, options.seed + options.seeds)
    by_seed, answers = runs(options, gains, seeds)
    rows = list(violations_rows.spread(by_seed)) if options.seeds > 1 else by_seed[0]
    missed = list(violations_rows.misses(rows))
    if LINK in kinds(options):
        link = bottleneck.measure()
        rows = rows + [violations_rows.row_of_link(one, *LINK) for one in link]
        missed += bottleneck.misses(link)
    if options.repeat:
        missed += violations_rows.differences(*by_seed)
    if not options.json:
        tell(rows)
    if options.html:
        violations_page.write(options.html, rows, answers, missed, what_ran(options, seeds), __doc__)
    lab.end(missed, bench="violations", seed=options.seed, rows=rows)


if __name__ == "__main__":
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    main()
