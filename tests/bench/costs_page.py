# SPDX-License-Identifier: GPL-2.0-only
"""One page with the results of costs.py, in the manner of violations_page.py."""

import html
import math

from violations_page import STYLE

COLUMNS = ("cost", "unit", "by", "holds", "ours", "control", "ratio", "bound")
WIDTH, LINE, LEFT, RIGHT, TOP = 760, 20, 400, 70, 30
GOOD, BAD, PLAIN = "#2fa866", "#e0403a", "#3b78e7"


def words(row):
    """The fields of a row as they are shown."""
    def number(value):
        return "-" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"

    bound = "" if row["bound"] is None else f"<= {number(row['bound'])}"
    return {"cost": row["cost"], "unit": row["unit"], "by": row["by"] or "-", "ours": number(row["ours"]),
            "control": number(row["control"]), "ratio": number(row["ratio"]),
            "bound": f"{bound} {row['unit']}" if bound and row["bounded"] == "ours" else bound,
            "holds": "" if row["bound"] is None else "yes" if row["holds"] else "MISSED"}


def colour(row):
    return PLAIN if row["bound"] is None or row["bounded"] == "ours" else GOOD if row["holds"] else BAD


def bars(rows):
    """Ratios, logarithmic: a bar to the left of 1 is cheaper than its control."""
    rows = [row for row in rows if row["ratio"]]
    logs = [math.log10(row["ratio"]) for row in rows] + [0]
    low, high = math.floor(min(logs)), max(math.ceil(max(logs)), 1)

    def across(log):
        return LEFT + (WIDTH - RIGHT - LEFT) * (log - low) / (high - low)

    height = TOP + LINE * len(rows)
    parts = [f'<svg viewBox="0 0 {WIDTH} {height + 8}" role="img" aria-label="ratios">']
    for power in range(low, high + 1):
        parts.append(f'<line x1="{across(power):.1f}" x2="{across(power):.1f}" y1="{TOP - 8}" y2="{height}" stroke="#8886"/>'
                     f'<text x="{across(power):.1f}" y="{TOP - 12}" font-size="11" text-anchor="middle">{10.0 ** power:g}</text>')
    for i, (row, log) in enumerate(zip(rows, logs)):
        begin, end = sorted((across(0), across(log)))
        y = TOP + LINE * i
        parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" font-size="11" text-anchor="end">'
                     f'{html.escape(row["cost"])} / {html.escape(row["by"])}</text>'
                     f'<rect x="{begin:.1f}" y="{y + 2}" width="{max(1, end - begin):.1f}" height="12" fill="{colour(row)}"/>'
                     f'<text x="{max(end, across(0)) + 4:.1f}" y="{y + 12}" font-size="11">{words(row)["ratio"]}</text>')
    return "".join(parts) + "</svg>"


def table(rows):
    def cells(kind, values):
        return "".join(f"<{kind}>{html.escape(value)}</{kind}>" for value in values)

    body = "".join(f"<tr>{cells('td', [words(row)[name] for name in COLUMNS])}</tr>" for row in rows)
    return f"<table><tr>{cells('th', COLUMNS)}</tr>{body}</table>"


def write(file, rows, method):
    parts = [f"<!DOCTYPE html><html lang=en><meta charset=utf-8><title>costs</title><style>{STYLE}</style>",
             f"<h1>Costs</h1><pre>{html.escape(method)}</pre><h2>Ours by the control</h2>",
             "<p>Logarithmic. Green: within its bound; red: not; blue: the ratio has none.</p>", bars(rows),
             "<h2>All figures</h2>", table(rows)]
    file.write("".join(parts))
