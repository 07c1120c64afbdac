# SPDX-License-Identifier: GPL-2.0-only
"""One page with the results of violations.py, plots included."""

import html

import page
import violations_rows
from page import LEFT, WIDTH, Scale, drawing, path, rule, text

HEIGHT, STRIP, RIGHT, TOP, BOTTOM = 360, 90, 140, 30, 40
COLOURS = dict(zip(violations_rows.ARMS, ("#888", "#a0785a", "#b8860b", "#8a8a2a", "#7f9fe0", "#3b78e7", "#1aa0c8", "#2fa866",
                                          "#b366cc", "#e0403a")))
COLUMNS = ("workload", "change_ms", "load", "arm", "resource", "windows", "violations", "jobs", "late", "p50_us", "p99_us",
           "max_us", "reactions", "reaction_p50_us", "reaction_p99_us", "reaction_max_us", "cpu_share", "used", "background", "gain")


# --- plots ---

def plot(title, x_name, y_name, series, log_x=False, log_y=False):
    """series: arm -> [(x, y), ...]."""
    across = Scale([x for line in series.values() for x, _ in line], LEFT, WIDTH - RIGHT, log_x)
    up = Scale([y for line in series.values() for _, y in line] + ([] if log_y else [0]), HEIGHT - BOTTOM, TOP, log_y)
    parts = []
    for y in up.ticks():
        parts += [rule(LEFT, up(y), WIDTH - RIGHT, up(y)), text(LEFT - 6, up(y) + 4, f"{y:.3g}", anchor="end")]
    for x in across.ticks():
        parts.append(text(across(x), HEIGHT - BOTTOM + 16, f"{x:g}", anchor="middle"))
    for i, (arm, line) in enumerate(series.items()):
        parts.append(path([(across(x), up(y)) for x, y in line], COLOURS[arm], 3 if arm == "kernel" else 2))
        parts += [rule(WIDTH - RIGHT + 10, 36 + 18 * i, WIDTH - RIGHT + 28, 36 + 18 * i, COLOURS[arm]),
                  text(WIDTH - RIGHT + 34, 40 + 18 * i, arm, 12)]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts += [text(middle, HEIGHT - 4, x_name, 12, "middle"),
              text(12, HEIGHT / 2, y_name, 12, "middle", f' transform="rotate(-90 12 {HEIGHT / 2})"')]
    return drawing(title, HEIGHT, parts)


def stairs(pairs, end):
    """What holds until the next one, as corners."""
    for (at, value), (until, _) in zip(pairs, pairs[1:] + [(end, 0)]):
        yield from ((at, value), (until, value))


def strip(got):
    """One arm: demand as an area, what was in force as a line, violated windows as marks."""
    period, most = got["plan"]["period_us"], got["plan"]["hi_us"]
    end, window = len(got["demand"]) * period, got["plan"]["y"] * period
    across, up = Scale([0, end], LEFT, WIDTH - RIGHT), Scale([0, most], STRIP - 16, 8)
    needs = [(i * period, us) for i, us in enumerate(got["demand"])]
    grants = got["grants"] or ([(0, got["plan"]["base_us"])] if got["arm"] == "deadline" else [])
    area = [(0, 0), *stairs(needs, end), (end, 0)]
    parts = [path([(across(x), up(y)) for x, y in area], "none", 0, "#8885"), rule(LEFT, up(0), WIDTH - RIGHT, up(0)),
             path([(across(x), up(min(y, most))) for x, y in stairs(grants, end)], COLOURS[got["arm"]], 1.5)]
    parts += [f'<rect x="{across(i * window):.1f}" y="{STRIP - 13}" width="{max(1, across(window) - LEFT):.1f}" height="6" '
              'fill="#e0403a"/>' for i in got["violated"]]
    parts += [text(LEFT - 6, up(most) + 6, f"{most / 1e3:g}", anchor="end"), text(LEFT - 6, up(0) + 2, "0 ms", anchor="end"),
              text(WIDTH - RIGHT + 10, STRIP / 2, got["arm"], 12),
              text(WIDTH - RIGHT + 10, STRIP / 2 + 15, f"{got['violations']} of {got['windows']}", 11)]
    return f'<svg viewBox="0 0 {WIDTH} {STRIP}" role="img" aria-label="{html.escape(got["arm"])}">{"".join(parts)}</svg>'


# --- what is plotted ---

def violated(rows, load):
    """Of the windows, in percent, by how often the demand of `step` changes."""
    series = {}
    for row in rows:
        if row["workload"] == "step" and row["load"] == load:
            series.setdefault(row["arm"], []).append((row["change_ms"], 100 * row["violations"] / row["windows"]))
    return series


def ratios(rows, load):
    series = {}
    for (workload, change_ms, of_load), arms in violations_rows.by_kind(rows).items():
        for arm in violations_rows.ADAPTIVE[:-1] if (workload, of_load) == ("step", load) else ():
            ratio = (arms[arm]["violations"] + 1) / (arms["kernel"]["violations"] + 1)
            series.setdefault(arm, []).append((change_ms, ratio))
    return series


def cumulative(answers):
    return {got["arm"]: [(0, 0)] + [(at, i + 1) for i, at in enumerate(got["violated"])] + [(got["windows"], got["violations"])]
            for got in answers}


def reaction_shares(answers):
    """Of all reactions of an arm, how many in percent took at most so many ms."""
    took = {}
    for got in answers:
        took.setdefault(got["arm"], []).extend(violations_rows.reactions(got))
    return {arm: [(max(us, 1) / 1e3, 100 * (i + 1) / len(values)) for i, us in enumerate(sorted(values))]
            for arm, values in took.items() if values}


def table(rows):
    return page.table(COLUMNS, rows, lambda row: row["arm"] == "kernel")


def listing(title, lines):
    items = "".join(f"<li>{html.escape(words)}</li>" for words in lines)
    return f"<h2>{html.escape(title)}</h2>" + (f"<ul>{items}</ul>" if items else "<p>Nowhere in what ran here.</p>")


def over_time(answers):
    yield ("<h2>Over time</h2><p>Demand changes each 100 ms, beside endless programs. Grey: what each job needs; line: what was in "
           "force for it; red: windows that were violated. Who has no line takes what it wants.</p>")
    yield from map(strip, answers)
    yield plot("Violations so far", "window", "violations", cumulative(answers))


def by_rate(rows):
    yield ("<h2>By how often demand changes</h2><p>Ratio: violations of each arm by those of the kernel, one added to both, for "
           "there may be none. At 1 and below the kernel does not help.</p>")
    for load in [load for load in ("full", "idle") if violated(rows, load)]:
        yield plot(f"Violated windows, step, {load}", "ms between changes", "% of windows", violated(rows, load), log_x=True)
        yield plot(f"Ratio, step, {load}", "ms between changes", "ratio", ratios(rows, load), log_x=True, log_y=True)


def write(name, rows, answers, missed, what, method):
    shown = [got for got in answers if (got["workload"], got["change_ms"], got["load"]) == ("step", 100, "full")]
    parts = [f"<p>{html.escape(what)}</p>", *over_time(shown), "<h2>Reactions</h2>",
             plot("From a rise of demand to a runtime that covers it", "ms", "% of rises", reaction_shares(answers), log_x=True),
             *by_rate(rows), listing("Where the kernel does not help", violations_rows.no_help(rows)),
             listing("What contradicts the claim", missed), "<h2>All runs</h2>", table(rows)]
    with open(name, "w", encoding="utf-8") as file:
        page.write(file, "Service violations", method, parts)
