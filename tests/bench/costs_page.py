# SPDX-License-Identifier: GPL-2.0-only
"""One page with the results of costs.py."""

import page
from page import WIDTH, Scale, bar, drawing, rule, text

COLUMNS = ("cost", "unit", "by", "holds", "ours", "control", "ratio", "bound")
LINE, LEFT, RIGHT, TOP = 20, 400, 70, 50
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
    across = Scale([row["ratio"] for row in rows] + [1, 10], LEFT, WIDTH - RIGHT, log=True)
    height = TOP + LINE * len(rows)
    parts = []
    for tick in across.ticks():
        parts += [rule(across(tick), TOP - 8, across(tick), height), text(across(tick), TOP - 12, f"{tick:g}", anchor="middle")]
    for i, row in enumerate(rows):
        begin, end = sorted((across(1), across(row["ratio"])))
        y = TOP + LINE * i
        parts += [text(LEFT - 8, y + 12, f"{row['cost']} / {row['by']}", anchor="end"),
                  bar(begin, y + 2, end - begin, 12, colour(row)), text(end + 4, y + 12, words(row)["ratio"])]
    return drawing("ours by the control", height + 8, parts)


def write(file, rows, method):
    page.write(file, "Costs", method, [
        "<p>Logarithmic. Green: within its bound; red: not; blue: the ratio has none.</p>", bars(rows),
        "<h2>All figures</h2>", page.table(COLUMNS, [words(row) for row in rows])])
