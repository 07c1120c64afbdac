#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Does adaptation in the kernel cause fewer service violations? In virtual time (2 ns an instruction) on a stock RT
kernel: a periodic program whose demand changes at run time, under each way to manage it, idle and beside endless
SCHED_OTHER programs. Last line: one JSON object.

  violations.py [--json] [--html FILE] [--seed N] [--quick]

All adaptive arms have one law: the runtime follows what the last job used, times a gain, within one range; who
hears of a late job gives it the top of the range. User-level controllers run at SCHED_FIFO 98, above every managed
thread. The gain of each arm is the best of GAINS on other seeds (fewest violations, then least reserved). Violations
are counted by the program itself, whoever schedules it: windows of Y jobs with more than X late.

Bounds: in the kernel there are at most a tenth of the violations of polling each 10 ms where demand changes each
10 to 100 ms, and no more than any other adaptive arm has.
"""
import argparse
import json
import os
import random
import subprocess
import sys

import lab
import violations_page

SHIFT = 1
PLAN = {"period_us": 1000, "x": 3, "y": 10, "lo_us": 100, "hi_us": 750, "base_us": 400, "rival_us": 100, "hogs": 2}
LOW_US, HIGH_US = 150, 600
ARMS = ("none", "fifo", "deadline", "dwcs", "poll-100ms", "poll-10ms", "poll-1ms", "event", "user", "kernel")
ADAPTIVE = ARMS[4:]
GAINS = (105, 115, 130)
CHANGES_MS = (1, 10, 100, 1000)
JOBS = 2000
BUILD = os.path.join(lab.TOP, "build/violations")


# --- demand ---

def noisy(rng, us):
    return max(1, round(us * rng.uniform(0.98, 1.02)))


def step(rng, n, jobs):
    return [noisy(rng, HIGH_US if i // jobs % 2 else LOW_US) for i in range(n)]


def ramp(rng, n, jobs):
    return [noisy(rng, LOW_US + (HIGH_US - LOW_US) * abs((i / jobs) % 2 - 1)) for i in range(n)]


def burst(rng, n, jobs):
    return [noisy(rng, HIGH_US if i // jobs % 4 == 3 else LOW_US) for i in range(n)]


def jitter(rng, n, jobs):
    levels = [rng.uniform(LOW_US, HIGH_US) for _ in range(n // jobs + 1)]
    return [noisy(rng, levels[i // jobs]) for i in range(n)]


def video(rng, n, jobs):
    """A picture's demand goes with its size; it is shown for so many jobs."""
    sizes = frame_sizes()
    first, most = rng.randrange(len(sizes)), max(sizes)
    level = [LOW_US + (HIGH_US - LOW_US) * size / most for size in sizes]
    return [noisy(rng, level[(first + i // jobs) % len(level)]) for i in range(n)]


def steady(rng, n, _):
    return [noisy(rng, 300) for _ in range(n)]


WORKLOADS = {"step": step, "ramp": ramp, "burst": burst, "jitter": jitter, "video": video, "overload": steady}


def frame_sizes():
    done = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=size", "-of",
                           "csv=p=0", f"{BUILD}/video.mp4"], capture_output=True, text=True, check=True)
    return [int(line.strip(",")) for line in done.stdout.split()]


# --- runs ---

def build():
    os.makedirs(BUILD, exist_ok=True)
    sources = os.path.join(lab.TOP, "tests/vm")
    subprocess.run(["clang", "-g", "-O2", "-target", "bpf", "-mcpu=v3", "-Wall", "-Werror", "-D__TARGET_ARCH_x86",
                    "-idirafter", "/usr/include/x86_64-linux-gnu",
                    "-c", f"{sources}/controller.bpf.c", "-o", f"{BUILD}/controller.bpf.o"], check=True)
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o", f"{BUILD}/workload",
                    f"{sources}/workload.c"], check=True)
    subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i",
                    "testsrc2=size=320x180:rate=25:duration=20", "-c:v", "libx264", "-preset", "veryfast", "-threads", "1",
                    "-g", "12", f"{BUILD}/video.mp4"], check=True)


def job(seed, workload, change_ms, load, arm, percent):
    rng = random.Random(f"{seed} {workload} {change_ms}")
    n = max(JOBS, int(2.5 * change_ms))
    jobs = max(1, change_ms * 1000 // PLAN["period_us"])
    rival = burst(rng, n, jobs) if workload == "overload" else []
    return {"workload": workload, "change_ms": change_ms, "load": load, "arm": arm, "percent": percent, "plan": PLAN,
            "seed": seed, "demand": WORKLOADS[workload](rng, n, jobs), "rival": rival}


def run_all(jobs, batch=20):
    batches = [jobs[i:i + batch] for i in range(0, len(jobs), batch)]
    answers, errors = lab.run_batches("violations_guest.py", batches, SHIFT, 3000, machines=2)
    if errors:
        sys.exit(1)
    return answers


def tune(seed):
    """The gain of each adaptive arm."""
    answers = run_all([job(seed + 1000, "step", 100, "full", arm, percent) for arm in ADAPTIVE for percent in GAINS])
    best = {}
    for got in sorted(answers, key=lambda got: (got["violations"], got["percent"])):
        best.setdefault(got["arm"], got["percent"])
    return best


def plan(seed, gains, quick):
    kinds = [("step", change) for change in CHANGES_MS] + [(name, 100) for name in WORKLOADS if name != "step"]
    if quick:
        kinds = [("step", 10), ("step", 100)]
    for workload, change_ms in kinds:
        for load in ("full",) if quick else ("idle", "full"):
            for arm in ARMS:
                yield job(seed, workload, change_ms, load, arm, gains.get(arm, 100))


# --- the table ---

def row(got):
    elapsed = got["jobs"] * PLAN["period_us"] * 1e3
    return {"workload": got["workload"], "change_ms": got["change_ms"], "load": got["load"], "resource": "cpu",
            "arm": got["arm"], "windows": got["windows"], "violations": got["violations"], "late": got["late"],
            "cpu_share": round(got["adaptation_ns"] / elapsed, 5), "background": round(got["background_ns"] / elapsed, 4),
            "p50_us": got["p50_us"], "p99_us": got["p99_us"], "max_us": got["max_us"], "gain": got["percent"], "rules": got.get("rules")}


def misses(rows):
    by_kind = {}
    for one in rows:
        by_kind.setdefault((one["workload"], one["change_ms"], one["load"]), {})[one["arm"]] = one["violations"]
    fast = [arms for (_, change, load), arms in by_kind.items() if 10 <= change <= 100 and load == "full"]
    kernel, poll = (sum(arms[name] for arms in fast) for name in ("kernel", "poll-10ms"))
    if kernel * 10 > poll or not poll:
        yield f"where demand changes each 10 to 100 ms: kernel {kernel}, poll-10ms {poll}"
    for kind, arms in by_kind.items():
        for arm in ADAPTIVE:
            if arms["kernel"] > arms[arm]:
                yield f"{kind}: kernel {arms['kernel']}, {arm} {arms[arm]}"


def print_table(rows):
    print(f"{'workload':9}{'change':>9} {'load':5}{'arm':11}{'windows':>8}{'violated':>9}{'late':>6}{'p99 us':>9}"
          f"{'adapts':>8}{'others':>8}")
    for one in rows:
        print(f"{one['workload']:9}{one['change_ms']:6} ms {one['load']:5}{one['arm']:11}{one['windows']:8}"
              f"{one['violations']:9}{one['late']:6}{one['p99_us']:9.0f}{one['cpu_share']:8.2%}{one['background']:8.1%}"
              f"{'  ' + one['rules'] if one['rules'] not in (None, 'running') else ''}")


def main():
    parser = argparse.ArgumentParser()
    for flag in ("--json", "--quick"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--html")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lab.build_module()
    build()
    gains = tune(options.seed) if not options.quick else {arm: GAINS[1] for arm in ADAPTIVE}
    order = {one["arm"] + str(one["change_ms"]) + one["workload"] + one["load"]: i
             for i, one in enumerate(plan(options.seed, gains, options.quick))}
    answers = run_all(list(plan(options.seed, gains, options.quick)))
    rows = sorted(map(row, answers),
                  key=lambda one: order[one["arm"] + str(one["change_ms"]) + one["workload"] + one["load"]])
    traces = {got["arm"]: (got["violated"], got["windows"]) for got in answers
              if (got["workload"], got["change_ms"], got["load"]) == ("step", 100, "full")}
    if not options.json:
        print_table(rows)
    if options.html:
        violations_page.write(options.html, rows, traces, options.seed, __doc__)
    missed = list(misses(rows))
    for what in missed:
        print(f"MISSED  {what}", file=sys.stderr)
    print(json.dumps({"bench": "violations", "seed": options.seed, "rows": rows}))
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    main()
