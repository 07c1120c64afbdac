# SPDX-License-Identifier: GPL-2.0-only
"""What the pages of benches are made of: they need no network and no script, and are light or dark as their reader has it."""

import html
import math

WIDTH, LEFT = 760, 60
STYLE = (":root{color-scheme:light dark}body{font:15px/1.5 sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
         "table{border-collapse:collapse;font-size:12px}td,th{padding:2px 6px;text-align:right;border-bottom:1px solid #8886}"
         "td:nth-child(-n+5){text-align:left}pre{white-space:pre-wrap}svg{max-width:100%;display:block;margin:1em 0}"
         "svg text{fill:currentColor}.best{font-weight:bold}.scroll{overflow-x:auto}")


def text(x, y, words, size=11, anchor="start", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{more}>{html.escape(str(words))}</text>'


def rule(x1, y1, x2, y2, colour="#8886"):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def path(points, colour, width=2, fill="none"):
    at = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{at}" fill="{fill}" stroke="{colour}" stroke-width="{width}"/>'


def bar(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(1, width):.1f}" height="{height:.1f}" fill="{colour}"/>'


def drawing(title, height, parts, left=LEFT):
    return (f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html.escape(title)}">{text(left, 16, title, 15)}'
            f'{"".join(parts)}</svg>')


class Scale:
    """Values to places; with log, ticks are powers of ten."""

    def __init__(self, values, begin, end, log=False):
        self.log, self.begin, self.end = log, begin, end
        low, high = (min(values), max(values)) if values else (1, 10)
        self.low, self.high = (math.floor(math.log10(low)), math.ceil(math.log10(high))) if log else (low, high)
        if self.low == self.high:
            self.high += 1

    def __call__(self, value):
        value = math.log10(value) if self.log else value
        return self.begin + (self.end - self.begin) * (value - self.low) / (self.high - self.low)

    def ticks(self):
        if self.log:
            return [10.0 ** i for i in range(self.low, self.high + 1)]
        return [self.low + (self.high - self.low) * i / 4 for i in range(5)]


def table(columns, rows, is_best=lambda row: False):
    """Of dicts; what is None is a dash."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
    body = "".join("<tr" + (' class="best"' if is_best(row) else "") + ">" +
                   "".join(f"<td>{html.escape('-' if row[name] is None else str(row[name]))}</td>" for name in columns) + "</tr>"
                   for row in rows)
    return f"<div class=scroll><table><tr>{head}</tr>{body}</table></div>"


def write(file, title, method, parts):
    """method: how it was measured, as it is to be read."""
    file.write(f'<!DOCTYPE html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
               f"<title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>"
               f"<pre>{html.escape(method)}</pre>" + "".join(parts))
