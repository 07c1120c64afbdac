# SPDX-License-Identifier: GPL-2.0-only
"""The demo's end: one table of at most 80 columns."""

import textwrap

HEAD = f"{'':10}{'none':^22}{'fifo':^22}{'qosd':^22}"
COLUMNS = f"{'':10}" + f"{'jobs':>6}{'late':>7}{'broken':>8} " * 3


def cells(counters):
    if counters is None:
        return " " * 22
    return f"{counters['jobs']:6}{counters['late']:7}{counters['violations']:8} "


def rows(part):
    """One line a contract, one group of columns an arm."""
    names = list(dict.fromkeys(name for arm in ("none", "fifo", "qosd")
                               for name in part.get(arm, {})))
    for name in names:
        yield f"{name:10}" + "".join(cells(part.get(arm, {}).get(name))
                                     for arm in ("none", "fifo", "qosd"))


def milliseconds(ns):
    return f"{ns / 1e6:.2f} ms"


def lines(result):
    """The table; `broken` are windows with more than x of y requests lost (violations)."""
    yield "the same programs under load: SCHED_OTHER, SCHED_FIFO set by hand, qosd"
    yield HEAD.rstrip()
    yield COLUMNS.rstrip()
    yield from rows(result["arms"])
    yield "burst needs ten times what its contract says"
    yield from rows(result["overload"])
    yield "(broken: windows in which more requests were lost than the contract allows)"
    for refused in result["overload"]["refused"]:
        yield from textwrap.wrap(f"{refused['contract']}: {refused['reason']}", 80,
                                 subsequent_indent="  ")
    for step in result["adaptations"]:
        yield from textwrap.wrap(
            f"{step['contract']}: adapted: {step['attribute']} {milliseconds(step['old_ns'])} -> "
            f"{milliseconds(step['new_ns'])}: {step['reason']} (jobs used "
            f"{milliseconds(step['signal_ns'])})", 80, subsequent_indent="  ")
