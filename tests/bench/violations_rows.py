# SPDX-License-Identifier: GPL-2.0-only
"""What violations.py makes of its runs: rows, their spread over seeds, the table, and what contradicts the claim."""

import statistics

import violations_demand

UNMANAGED = ("none", "fifo", "deadline")
ADAPTIVE = ("poll-100ms", "poll-10ms", "poll-1ms", "event", "user", "kernel")
ARMS = (*UNMANAGED, "dwcs", *ADAPTIVE)
EACH_JOB = ("poll-1ms", "event", "user")  # they act as often as the kernel
KEY = ("workload", "change_ms", "load", "arm")
SPREAD = ("violations", "late", "p99_us", "cpu_share", "background")
SAME = 0.01  # of the CPU: so near, two arms leave the same to others


def part(values, share):
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))], 1) if values else None


def key(row):
    return tuple(row[name] for name in KEY)


# --- one run ---

def reactions(got):
    """us from each rise of demand that was not covered to a runtime in force that covers it, or to the next change
    if that came first."""
    period, grants, found = got["plan"]["period_us"], got["grants"], []
    if got["arm"] not in ADAPTIVE:
        return found
    for first, end in violations_demand.rises(got["demand"]):
        need, at = min(got["demand"][first:end]), first * period
        covered = [us >= need for t, us in grants if t <= at]
        if not covered or covered[-1]:
            continue
        found.append(min([t - at for t, us in grants if t > at and us >= need] + [(end - first) * period]))
    return found


def row(got):
    elapsed = got["jobs"] * got["plan"]["period_us"] * 1e3
    took = reactions(got)
    shares = {name: round(got[f"{of}_ns"] / elapsed, 5)
              for name, of in (("cpu_share", "adaptation"), ("used", "used"), ("background", "background"))}
    return {**{name: got[name] for name in ("workload", "change_ms", "load")}, "resource": "cpu",
            **{name: got[name] for name in ("arm", "windows", "violations", "jobs", "late", "p50_us", "p99_us", "max_us")},
            **shares, "reaction_p50_us": part(took, .5), "reaction_p99_us": part(took, .99),
            "reaction_max_us": part(took, 1), "reactions": len(took), "gain": got["percent"], "rules": got.get("rules")}


def row_of_link(one, workload, change_ms, load):
    """Of bottleneck.py: packets are its jobs. What it does not measure is None."""
    blank = dict.fromkeys(("max_us", "cpu_share", "used", "background", "reaction_p50_us", "reaction_p99_us",
                           "reaction_max_us", "gain", "rules"))
    return {"workload": workload, "change_ms": change_ms, "load": load, "resource": "network", "arm": one["arm"],
            **{name: one[name] for name in ("windows", "violations", "late")}, "jobs": one["sent"],
            "p50_us": one["p50_ms"] * 1e3, "p99_us": one["p99_ms"] * 1e3, **blank, "reactions": 0}


# --- several ---

def spread(by_seed):
    """Rows of the median run, each with (least, median, most) over the seeds."""
    for same in zip(*by_seed):
        shown = dict(sorted(same, key=lambda one: one["violations"])[len(same) // 2])
        for name in SPREAD:
            values = [one[name] for one in same]
            shown[f"{name}_spread"] = [min(values), statistics.median(values), max(values)]
        yield shown


def total(rows, arm):
    return sum(one["violations"] for one in rows if one["arm"] == arm)


def differences(rows, again):
    """Two runs with one seed: arms whose violations differ by more than 1 % of them."""
    for arm in ARMS:
        first, second = total(rows, arm), total(again, arm)
        if abs(first - second) > max(first, second) / 100:
            yield f"{arm}: {first} violations, and with the same seed {second}"


def by_kind(rows):
    """Of CPUs: what links have, and who bounds that, is another's."""
    kinds = {}
    for one in rows:
        if one["resource"] == "cpu":
            kinds.setdefault(key(one)[:3], {})[one["arm"]] = one
    return kinds


def name_of(kind):
    return f"{kind[0]}, each {kind[1]} ms, {kind[2]}"


def misses(rows):
    """What contradicts the claim."""
    kinds = by_kind(rows)
    fast = [arms for (_, change, load), arms in kinds.items() if change <= 100 and load == "full"]
    kernel, poll = (sum(arms[name]["violations"] for arms in fast) for name in ("kernel", "poll-10ms"))
    if fast and (kernel * 10 > poll or not poll):
        yield f"where demand changes each 100 ms or sooner: kernel {kernel}, poll-10ms {poll}"
    for kind, arms in kinds.items():
        kernel = arms["kernel"]
        for arm in ADAPTIVE[:-1]:
            other = arms[arm]
            if kernel["violations"] > other["violations"] and other["background"] >= kernel["background"] - SAME:
                yield f"{name_of(kind)}: kernel {kernel['violations']}, {arm} {other['violations']}"
            if arm in EACH_JOB and kernel["cpu_share"] > other["cpu_share"]:
                yield f"{name_of(kind)}: adaptation takes {kernel['cpu_share']:.2%} in the kernel, {other['cpu_share']:.2%} as {arm}"


def no_help(rows):
    """Where another adaptive arm does as well, though it takes no more from others."""
    for kind, arms in by_kind(rows).items():
        kernel = arms["kernel"]
        good = [arm for arm in ADAPTIVE[:-1] if arms[arm]["violations"] <= kernel["violations"]
                and arms[arm]["background"] >= kernel["background"] - SAME]
        if good:
            yield f"{name_of(kind)}: kernel {kernel['violations']} of {kernel['windows']}, no more as {', '.join(good)}"


# --- words ---

def milliseconds(us):
    return "-" if us is None else f"{us / 1e3:.2f}"


def share(value, width, digits):
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}%}"


def line(one):
    shares = (share(one["cpu_share"], 8, 2) + share(one["used"], 7, 1)
              + share(one["background"] if one["load"] == "full" else None, 8, 1))
    text = (f"{one['workload']:10}{one['change_ms']:5} ms {one['load']:5}{one['arm']:14}{one['windows']:5}{one['violations']:9}"
            f"{one['violations'] / one['windows']:7.1%}{one['late'] / one['jobs']:7.1%}"
            + "".join(f"{milliseconds(one[name]):>8}" for name in ("p50_us", "p99_us", "max_us", "reaction_p50_us",
                                                                   "reaction_p99_us", "reaction_max_us")) + shares)
    if "violations_spread" in one:
        least, middle, most = one["violations_spread"]
        text += f"  {least}, {middle:g}, {most}"
    return text + (f"  {one['rules']}" if one["rules"] not in (None, "running") else "")


def table(rows):
    """violated, late: shares of windows and of jobs. Times in ms. adapts, job, others: shares of the CPU."""
    yield f"{'':25}{'':11}{'':8}{'':9}{'':7}{'':7}{'response, ms':>24}{'reaction, ms':>24}{'share of the CPU':>23}"
    yield (f"{'workload':10}{'change':>8} {'load':5}{'arm':11}{'windows':>8}{'violated':>9}{'':7}{'late':>7}"
           + f"{'p50':>8}{'p99':>8}{'max':>8}" * 2 + f"{'adapts':>8}{'job':>7}{'others':>8}"
           + ("  violated: least, median, most" if rows and "violations_spread" in rows[0] else ""))
    yield from map(line, rows)
