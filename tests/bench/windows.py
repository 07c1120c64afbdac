#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Windows kept by the module, by SCHED_DEADLINE and by SCHED_FIFO, for the same random sets of threads
that skip when late, beside an endless SCHED_OTHER process at nice -20, which leaves nothing to threads that
the module sends to SCHED_OTHER; on a stock RT kernel, in virtual time.

  windows.py [--sets N] [--seed S] [--seconds N] [--arms A,B] [--shift N] [--machines N]
             [--keep FILE] [--json]

Every set runs for `--seconds` under each arm: `module` (fin), `deadline` (SCHED_DEADLINE with C and T
of each thread, sched_rt_runtime_us = -1, so that all are admitted), `fifo` (SCHED_FIFO, deadline
monotonic). The fair server is off. Times are slots of 4 ms; what a job needs is C slots less what
admission charges for its dispatch, so that the charged C is C slots. Releases are a bit apart from each
other (sets.stagger()): in whole slots half of the sets hang on ties, which go to who comes first, and who
that is a microsecond decides. The simulator has the module's cap, which leaves 1 of each 20 ms to others;
both other arms have none.

Kinds of sets: light (total demand <= 0.9), admitted (demand > 1, the simulator keeps every window),
not admitted (demand > 1, U <= 1, and it does not), overload (U 1.05 to 1.5).

What a set does under overload hangs on microseconds: where the cap's interval begins, how much of C a
job leaves, what a switch costs. The simulator is therefore asked with 88 combinations, and gives a range for
each stream.

Bounds: the module keeps every window of the sets that the simulator always keeps; under overload each
stream's share of bad windows is within 2 points of the simulator's range.
"""

import argparse
import json
import os
import sys

import lab
import sets

SLOT_US, SHAVE_US, RUNTIME_US = 4000, 400, 160
SHAVE_PERMILLE = 30
INTERVAL_US, TAKEN_US = 20000, 1000
BATCH = 4 # sets in a boot
ARMS = ("module", "deadline", "fifo")


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--shift", type=int, default=3)
    parser.add_argument("--machines", type=int, default=1)
    parser.add_argument("--keep", help="a file that gets the answers as they come, a line each")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def jobs_of(chosen, args):
    given = {"seconds": args.seconds, "slot_us": SLOT_US, "shave_us": SHAVE_US,
             "shave_permille": SHAVE_PERMILLE, "load": 1, "load_weighs": 1,
             "runtime_us": RUNTIME_US, "interval_us": INTERVAL_US,
             "cap_ppm": 1000000 - TAKEN_US * 1000000 // INTERVAL_US}
    for number, (_, streams) in enumerate(chosen):
        for arm in args.arms.split(","):
            yield {"set": sets.text(streams), "number": number, "arm": arm,
                   "options": {**given, "stagger_us": sets.stagger(SLOT_US, streams)}}


def variants():
    """Where the cap's interval begins, what of C a job does not use, what a switch costs."""
    for offset in range(TAKEN_US, INTERVAL_US + 1, 1900):
        for permille in SHAVE_PERMILLE // 2, SHAVE_PERMILLE:
            for switch in 0, 30, 60, 100:
                yield {"offset": offset, "less": RUNTIME_US, "early": SHAVE_US - RUNTIME_US,
                       "permille": permille, "switch": switch}


def outside(stream, limits):
    least, most = limits
    return max(least - sets.share(stream), sets.share(stream) - most, 0.0)


def row_of(answer, kind, streams, oracle):
    got = answer["streams"]
    violations = sum(stream["violations"] for stream in got)
    predicted = oracle.ask(streams)
    limits = oracle.range(streams, variants())
    return {
        "set": answer["set"], "kind": kind, "u": round(sets.least(streams), 4),
        "demand": round(sets.demand(streams), 4), "arm": answer["arm"],
        "windows": sum(stream["windows"] for stream in got), "violations": violations,
        "kept": violations == 0, "predicted": sum(stream["violations"] for stream in predicted),
        "always": not any(most for _, most in limits),
        "spread": round(max(most - least for least, most in limits), 4),
        "off": round(max(map(outside, got, limits)), 4),
        "worst": round(max(map(sets.share, got)), 4),
        # what the module itself counted, where the program did not count the same
        "differs": sum(a["violations"] != b["violations"] for a, b in zip(got, answer.get("module", []))),
        "refused": sum(stream["error"] != 0 for stream in got),
    }


def is_good(row):
    """Only the module has anything to keep."""
    if row["arm"] != "module":
        return True
    if row["kind"] == "overload":
        return row["off"] <= 0.02
    return row["kept"] or not row["always"]


def print_table(rows, args):
    print(f"virtual time, {2 ** args.shift} ns an instruction; {args.seconds} s each, seed {args.seed}\n")
    print(f"{'kind':14} {'arm':9} {'sets':>5} {'kept':>5} {'windows':>8} {'bad':>7} "
          f"{'simulator':>9} {'spread':>7} {'off':>7} {'refused':>7}")
    for kind, _ in sets.KINDS:
        for arm in args.arms.split(","):
            some = [row for row in rows if row["kind"] == kind and row["arm"] == arm]
            if some:
                print(f"{kind:14} {arm:9} {len(some):5} {sum(r['kept'] for r in some):5} "
                      f"{sum(r['windows'] for r in some):8} {sum(r['violations'] for r in some):7} "
                      f"{sum(r['predicted'] for r in some):9} {max(r['spread'] for r in some):7.1%} "
                      f"{max(r['off'] for r in some):7.1%} "
                      f"{sum(r['refused'] for r in some):7}")
    for row in rows:
        if not is_good(row):
            print(f"MISSED  {row['kind']} {row['set']}: {row['violations']} of {row['windows']} bad, "
                  f"simulator {row['predicted']}, {row['off']:.1%} off")


def keep(path, answers):
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.writelines(json.dumps(answer) + "\n" for answer in answers)


def measure(args, chosen, oracle):
    jobs = list(jobs_of(chosen, args))
    size = BATCH * len(args.arms.split(","))
    batches = [jobs[i:i + size] for i in range(0, len(jobs), size)]
    timeout = 300 + size * args.seconds * 20
    answers, errors = lab.run_batches("windows_guest.py", batches, args.shift, timeout, args.machines,
                                      lambda some: keep(args.keep, some))
    rows = []
    for answer in sorted(answers, key=lambda a: a["number"]):
        kind, streams = chosen[answer["number"]]
        rows.append(row_of(answer, kind, streams, oracle))
    return rows, errors or len(answers) < len(jobs)


def main():
    args = options()
    if os.geteuid() != 0:
        sys.exit("bench windows: needs root")
    if "module" in args.arms:
        lab.build_module()
    oracle = sets.Oracle(SLOT_US, args.seconds * 1000000, INTERVAL_US, TAKEN_US)
    chosen = sets.make(oracle, args.seed, args.sets)
    rows, failed = measure(args, chosen, oracle)
    if args.json:
        print(json.dumps({"bench": "windows", "seed": args.seed, "seconds": args.seconds,
                          "rows": rows}))
    else:
        print_table(rows, args)
    sys.exit(1 if failed or not all(map(is_good, rows)) else 0)


main()
