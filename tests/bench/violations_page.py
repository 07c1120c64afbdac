# SPDX-License-Identifier: GPL-2.0-only
"""One page with the results of violations.py, plots included, that needs no network and no script."""

import html
import math

WIDTH, HEIGHT, LEFT, BOTTOM = 760, 360, 60, 40
COLOURS = ("#777777", "#222222", "#a6761d", "#e6ab02", "#7570b3", "#1f78b4", "#66a61e", "#e7298a", "#d95f02", "#c00000")
STYLE = ("body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
         "table{border-collapse:collapse;font-size:13px}td,th{padding:2px 8px;text-align:right;border-bottom:1px solid #ddd}"
         "td:nth-child(-n+4){text-align:left}pre{white-space:pre-wrap}svg{max-width:100%}.best{font-weight:bold}")


def scale(value, low, high, begin, end):
    return begin + (end - begin) * (value - low) / ((high - low) or 1)


def axis(points, log):
    return [math.log10(x) for x in points] if log else list(points)


def plot(title, x_name, y_name, series, log_x=False):
    """series: name -> [(x, y), ...]. An SVG."""
    xs = axis([x for line in series.values() for x, _ in line], log_x)
    top = max([y for line in series.values() for _, y in line] + [1e-9])
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT + 20}" role="img" aria-label="{html.escape(title)}">',
             f'<text x="{LEFT}" y="16" font-size="15">{html.escape(title)}</text>']
    for i in range(5):
        y = scale(i / 4, 0, 1, HEIGHT - BOTTOM, 30)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 130}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
                     f'<text x="{LEFT - 6}" y="{y + 4:.1f}" font-size="11" text-anchor="end">{top * i / 4:.3g}</text>')
    for x in sorted({x for line in series.values() for x, _ in line}) if log_x else (min(xs), max(xs)):
        at = scale(math.log10(x) if log_x else x, min(xs), max(xs), LEFT, WIDTH - 140)
        parts.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" font-size="11" text-anchor="middle">{x:g}</text>')
    for i, (name, line) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        points = " ".join(f"{scale(x, min(xs), max(xs), LEFT, WIDTH - 140):.1f},{scale(y, 0, top, HEIGHT - BOTTOM, 30):.1f}"
                          for x, (_, y) in zip(axis([x for x, _ in line], log_x), line))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
                     f'<text x="{WIDTH - 125}" y="{40 + 18 * i}" font-size="12" fill="{colour}">{html.escape(name)}</text>')
    parts.append(f'<text x="{(WIDTH - 140) / 2}" y="{HEIGHT}" font-size="12">{html.escape(x_name)}</text>'
                 f'<text x="12" y="{HEIGHT / 2}" font-size="12" transform="rotate(-90 12 {HEIGHT / 2})" '
                 f'text-anchor="middle">{html.escape(y_name)}</text></svg>')
    return "".join(parts)


def by_change(rows, load):
    series = {}
    for row in rows:
        if row["workload"] == "step" and row["load"] == load:
            series.setdefault(row["arm"], []).append((row["change_ms"], 100 * row["violations"] / max(1, row["windows"])))
    return {arm: sorted(line) for arm, line in series.items()}


def over_time(traces):
    """traces: arm -> numbers of the windows that were violated, and of all windows."""
    return {arm: [(0, 0)] + [(at, i + 1) for i, at in enumerate(seen)] + [(n, len(seen))]
            for arm, (seen, n) in traces.items()}


def table(rows):
    names = ("workload", "change_ms", "load", "arm", "windows", "violations", "late", "p50_us", "p99_us", "max_us",
             "cpu_share", "background", "gain")
    head = "".join(f"<th>{name}</th>" for name in names)
    body = "".join("<tr" + (' class="best"' if row["arm"] == "kernel" else "") + ">" +
                   "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in names) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def write(path, rows, traces, seed, method):
    parts = [f"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>violations</title><style>{STYLE}</style>",
             f"<h1>Service violations</h1><pre>{html.escape(method)}</pre><p>Seed {seed}.</p>"]
    for load in ("full", "idle"):
        series = by_change(rows, load)
        if series:
            parts.append(plot(f"Violated windows by how often demand changes (step, {load})", "ms between changes",
                              "% of windows", series, log_x=True))
    if traces:
        parts.append(plot("Violations so far (step, each 100 ms, full)", "window", "violations", over_time(traces)))
    parts.append(table(rows))
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join(parts))
