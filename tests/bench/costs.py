#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""All costs in one run, each beside a control that was measured with it: the other benches are run, and what they
found is put into one table. Their heads say how each is measured; they own the bounds. Last line: one JSON object.

  costs.py [--json] [--html FILE] [--quick] [--without-vm | --kept]

ratio: ours by the control. bound: the most that the ratio, or ours where it has a unit, may be. `virtual`: in virtual
time in a kernel of the lab, 2 ns an instruction (8 ns for reactions), where memory costs nothing. --quick: fewer
rounds. --without-vm: nothing that needs the lab. --kept: also what is bought by it, by the benches of windows,
orderings, links and adaptation, beside what the kernel has; half an hour more.
"""
import argparse
import json
import os
import subprocess
import sys
import typing

import costs_page

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "../..")
VM = ("actuation", "qdisc", "reaction", "latency")
TAKE_QUICK = ("pipe", "startup")
ALWAYS = {"violations": ["--quick"]}


class Cost(typing.NamedTuple):
    """What a row is made of: names of figures of one bench."""

    what: str
    unit: str
    bench: str
    ours: str
    control: str = ""
    by: str = ""
    bound: str = ""  # the figure that has it, and whether it holds; by itself: ours
    beside: str = ""  # the bench that the control is from, if another one
    optional: bool = False  # its control is not on each machine


def monitor():
    pipe = "pipe, managed"
    yield Cost("monitor, a pipe's round under contract", "us", "pipe", pipe, "pipe, alone", "no daemon")
    yield Cost("monitor, a pipe's round under contract", "us", "pipe", pipe, "pipe, runqlat", "runqlat", "managed by runqlat")
    yield Cost("monitor, a pipe's round under contract", "us", "pipe", pipe, "pipe, bpftrace", "bpftrace")
    yield Cost("monitor, a pipe beside 1,000 contracts", "us", "pipe", "pipe, unmanaged", "pipe, alone", "no daemon",
               "unmanaged by alone")


def choice():
    for ordering in ("fin", "fin-guard"):
        ours = f"{ordering}, 10000"
        yield Cost(f"choice ({ordering}) of 10,000", "ns", "decision", ours, f"{ours}, scan", "a scan")
        yield Cost(f"choice ({ordering}) of 10,000", "ns", "decision", ours, f"{ordering}, 10", "choice of 10", f"{ours}, growth")


def actuation():
    for policy, name in ("fifo", "SCHED_FIFO"), ("deadline", "SCHED_DEADLINE"):
        yield Cost("a job under the module, beside 1,000", "virtual us", "actuation", "one job, module, 1000 others",
                   f"one job, {policy}, 1000 others", name)
    yield Cost("its choices, beside 1,000", "virtual us", "actuation", "the module's choices, 1000 others",
               "the module's choices, 10 others", "beside 10", "choices, 1,000 by 10 others")
    yield Cost("a change of priority, beside 1,000", "virtual us", "actuation", "a change, 1000 others", "a change, 10 others",
               "beside 10", "a change, 1,000 by 10 others")
    yield Cost("timer to program, at most, beside 16", "virtual us", "latency", "cyclictest, managed, beside 16",
               "cyclictest, SCHED_FIFO, alone", "SCHED_FIFO, alone", "managed, by alone")


def qdisc():
    for count in (100, 10000):
        for kind in ("fq", "htb", "prio", "fq_codel", "cake"):
            yield Cost(f"a packet in the qdisc, {count:,} classes", "virtual ns", "qdisc", f"dwcs, {count}", f"{kind}, {count}",
                       kind, f"dwcs by fq, {count}" if kind == "fq" else "")


def extension():
    for rules in (1, 5, 20):
        yield Cost(f"an extension of {rules} rules runs" if rules > 1 else "an extension of 1 rule runs", "ns", "rules",
                   f"{rules} rules", "0 rules", "a program that does nothing")
    yield Cost("a job's two switches, with a rule", "ns", "extension", "the same, 1 contract with a rule",
               "switches of a job's cycle, no rules", "no rules")
    yield Cost("the same, 1,000 contracts with one", "ns", "extension", "the same, 1,000 contracts with a rule",
               "the same, 1 contract with a rule", "1 contract with one", "1,000 by 1")
    for other, name in ("user", "a sandboxed process"), ("slow", "the slow loop"):
        yield Cost("event to attribute in force, loaded, p99", "virtual us", "reaction", "kernel, loaded: p99",
                   f"{other}, loaded: p99", name, f"kernel by {other}, loaded: p99")


def daemon():
    load = "1,000 parsed, checked, admitted, in force"
    yield Cost("1,000 contracts loaded", "s", "thousand", load, "hashing 200 MiB", "hashing 200 MiB", load)
    yield Cost("a contract's text to its loaded rules", "ms", "extension", "contract to loaded extension, median",
               bound="contract to loaded extension, median")
    yield Cost("reload, 1 of 1,000 changed", "ms", "thousand", "reload, 1 of 1,000 changed", "to ask for one contract",
               "qosctl show")
    yield Cost("reload, 1 of 1,000 changed", "ms", "thousand", "reload, 1 of 1,000 changed", "systemd reads its units again",
               "systemctl daemon-reload", optional=True)
    yield Cost("memory, no contracts", "MiB", "thousand", "daemon without contracts", bound="daemon without contracts")
    for name in ("runqlat", "bpftrace"):
        yield Cost("memory, 1,000 contracts", "KiB", "thousand", "daemon with 1,000 contracts", f"memory of {name}", name,
                   "daemon with 1,000 contracts" if name == "runqlat" else "", "pipe")
    for name in ("runqlat", "bpftrace"):
        yield Cost("start to first contract in force", "ms", "startup", "start to first contract in force", f"{name} attached",
                   f"{name}, attached")


def kept():
    for kind, words in ("admitted", "demand above 1"), ("overload", "overload"):
        for arm, name in ("deadline", "SCHED_DEADLINE"), ("fifo", "SCHED_FIFO"):
            yield Cost(f"windows violated, {words}", "%", "windows", f"{kind}, module", f"{kind}, {arm}", name)
    for ordering in ("edf", "dwcs"):
        yield Cost("feasible sets with a violated window", "%", "orderings", "fin", ordering, ordering)
    for queue in ("pfifo", "prio", "htb", "fq", "fq_codel", "cake"):
        yield Cost("a video's windows violated, by link", "%", "traffic", "qosd, dwcs", queue, queue)
    for arm in ("none", "slow loop, 1s", "user"):
        yield Cost("windows violated, changing bottleneck", "%", "bottleneck", "kernel", arm, arm)
    for change in (10, 100):
        for arm in ("dwcs", "poll-10ms", "event", "user"):
            yield Cost(f"windows violated, demand each {change} ms", "%", "violations", f"kernel, {change}",
                       f"{arm}, {change}", arm)


COSTS = [cost for part in (monitor, choice, actuation, qdisc, extension, daemon) for cost in part()]
KEPT = list(kept())


# --- figures of the benches: name -> {"value":, "bound":, "good":} ---

def figure(value, bound=None, good=True):
    return {"value": value, "bound": bound, "good": good}


def percents(rows, name_of, part_of, whole):
    """All rows of a name together."""
    sums = {}
    for row in rows:
        one = sums.setdefault(name_of(row), [0, 0])
        one[0] += part_of(row)
        one[1] += row[whole]
    for name, (some, every) in sums.items():
        yield name, figure(100 * some / every)


NAME_OF = {
    "windows": lambda row: f"{row['kind']}, {row['arm']}",
    "traffic": lambda row: row["arm"],
    "bottleneck": lambda row: row["arm"],
    "violations": lambda row: f"{row['arm']}, {row['change_ms']}",
}


def figures_of(got):
    if got["bench"] in NAME_OF:
        yield from percents(got["rows"], NAME_OF[got["bench"]], lambda row: row["violations"], "windows")
    elif got["bench"] == "orderings":
        yield from percents(got["rows"], lambda row: row["ordering"], lambda row: row["feasible"] - row["kept"], "feasible")
    elif got["bench"] == "decision":
        for row in got["rows"]:
            name = f"{row['ordering']}, {row['streams']}"
            yield name, figure(row["ns"])
            yield f"{name}, scan", figure(row["linear_ns"])
            yield f"{name}, growth", figure(row["growth"], row["bound"], row["good"])
    elif got["bench"] == "qdisc":
        for row in got["rows"]:
            yield f"{row['qdisc']}, {row['classes']}", figure(row["above"])
            if "good" in row:
                yield f"dwcs by fq, {row['classes']}", figure(row["by_fq"], row["bound"], row["good"])
    elif got["bench"] == "rules":
        for run in got["runs"]:
            yield f"{run['rules']} rules", figure(run["ns"])
    else:
        for row in got["rows"]:
            yield row["what"], row


def run(name, quick):
    """Its figures; what it could not find is told, and missing."""
    script = next(f"{HERE}/{name}.{kind}" for kind in ("py", "sh") if os.path.exists(f"{HERE}/{name}.{kind}"))
    options = ["--json"] + (["--quick"] if quick and name in TAKE_QUICK else ALWAYS.get(name, []))
    print(f"costs: {name}", file=sys.stderr, flush=True)
    done = subprocess.run([script, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, cwd=TOP,
                          env={"QOS_BUILD": os.path.join(TOP, "build"), **os.environ})
    try:
        found = dict(figures_of(json.loads(done.stdout.splitlines()[-1])))
        if done.returncode:
            print(f"bench {name} missed a bound; ./dev bench {name} has all of them\n{done.stderr[-500:]}", file=sys.stderr)
        return found
    except (IndexError, ValueError):
        print(f"bench {name} has no figures (exit code {done.returncode}):\n{done.stderr[-500:]}", file=sys.stderr)
        return {}


# --- the table ---

def row(cost, found):
    """KeyError: this was not measured."""
    figures, beside = found[cost.bench], found[cost.beside or cost.bench]
    ours, control = figures[cost.ours]["value"], beside[cost.control]["value"] if cost.control else None
    bound = figures[cost.bound] if cost.bound else figure(None)
    return {"cost": cost.what, "unit": cost.unit, "ours": ours, "control": control, "by": cost.by or None,
            "ratio": round(ours / control, 4) if control else None, "bound": bound["bound"],
            "bounded": None if not cost.bound else "ours" if cost.bound == cost.ours else "ratio", "holds": bound["good"]}


def rows_of(costs, found):
    """The rows, and whether there are all of them. What a bench without figures should have had was told."""
    rows, whole = [], all(found.values())
    for cost in costs:
        try:
            rows.append(row(cost, found))
        except KeyError as missing:
            if not cost.optional and found[cost.bench] and found[cost.beside or cost.bench]:
                print(f"bench {cost.bench} has no figure {missing}", file=sys.stderr)
                whole = False
    return rows, whole


def print_table(rows):
    print(f"{'cost':42}{'ours':>11}{'control':>12} {'unit':11}{'by':28}{'ratio':>8}  bound")
    for one in rows:
        told = costs_page.words(one)
        print(f"{one['cost']:42}{told['ours']:>11}{told['control']:>12} {one['unit']:11}{told['by']:28}{told['ratio']:>8}  "
              f"{told['bound']}{'' if one['holds'] else '  MISSED'}")


def arguments():
    parser = argparse.ArgumentParser(prog="bench costs", allow_abbrev=False)
    for flag in ("--json", "--quick"):
        parser.add_argument(flag, action="store_true")
    which = parser.add_mutually_exclusive_group()
    for flag in ("--without-vm", "--kept"):
        which.add_argument(flag, action="store_true")
    parser.add_argument("--html", metavar="FILE", type=argparse.FileType("w", encoding="utf-8"))
    return parser.parse_args()


def main():
    options = arguments()
    if os.geteuid() != 0:
        sys.exit("bench costs: needs root")
    costs = [cost for cost in COSTS if not (options.without_vm and cost.bench in VM)] + (KEPT if options.kept else [])
    found = {}
    for cost in costs:
        if cost.bench not in found:
            found[cost.bench] = run(cost.bench, options.quick)
    rows, whole = rows_of(costs, found)
    if not options.json:
        print_table(rows)
    if options.html:
        costs_page.write(options.html, rows, __doc__)
    print(json.dumps({"bench": "costs", "rows": rows}))
    sys.exit(0 if whole and all(one["holds"] for one in rows) else 1)


if __name__ == "__main__":
    main()
