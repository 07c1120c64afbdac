# SPDX-License-Identifier: GPL-2.0-only
"""How violations.py counts and judges: reactions by hand, what is a miss, two runs with one seed, and a page that is
one file and shows names as text.

usage: test_violations.py
"""
import os
import sys
import tempfile
from types import SimpleNamespace

import violations
import violations_page as page
import violations_rows as rows

PLAN = {"period_us": 1000, "x": 3, "y": 10, "lo_us": 100, "hi_us": 750, "base_us": 400}


def ran(arm, violations=0, background=0.5, cpu=0.001, demand=(150,) * 10 + (600,) * 10, grants=((0, 160),)):
    return {"workload": "step", "change_ms": 10, "load": "full", "arm": arm, "windows": 200, "violations": violations,
            "violated": list(range(violations)), "jobs": 2000, "late": 0, "p50_us": 150.0, "p99_us": 600.0, "max_us": 610.0,
            "percent": 115, "plan": PLAN, "demand": list(demand), "grants": [list(pair) for pair in grants],
            "adaptation_ns": cpu * 2e9, "used_ns": 0.4 * 2e9, "background_ns": background * 2e9}


def table(**special):
    """All arms, poll-10ms with many violations."""
    return [rows.row(ran(arm, **{"violations": 50 if arm == "poll-10ms" else 5, **special.get(arm.replace("-", "_"), {})}))
            for arm in rows.ARMS]


def test_reaction():
    """To the first request that has it, to the change that came first, none where it is covered or nobody adapts."""
    cases = ((((0, 160), (12500, 500), (13000, 650)), [3000]), (((0, 160),), [10000]), (((0, 700),), []))
    for grants, wanted in cases:
        assert rows.reactions(ran("kernel", grants=grants)) == wanted, grants
    assert rows.reactions(ran("dwcs")) == []


def test_small_and_falling_changes_are_no_rises():
    assert not rows.reactions(ran("kernel", demand=(500,) * 10 + (510,) * 10 + (150,) * 10))


def test_misses():
    good = {"kernel": {"violations": 5}}
    assert not list(rows.misses(table(**good)))
    assert any("poll-10ms 50" in what for what in rows.misses(table(kernel={"violations": 6}, event={"violations": 9}, user={"violations": 9},
                                                                    poll_1ms={"violations": 9}, poll_100ms={"violations": 9})))
    assert any("event 4" in what for what in rows.misses(table(**good, event={"violations": 4})))
    assert not list(rows.misses(table(**good, event={"violations": 4, "background": 0.4}))), "it took that from others"
    assert any("adaptation" in what for what in rows.misses(table(kernel={"violations": 5, "cpu": 0.002})))


def test_no_help():
    assert any("user" in what for what in rows.no_help(table()))
    dear = {arm.replace("-", "_"): {"violations": 9} for arm in rows.ADAPTIVE[:-1]}
    assert not list(rows.no_help(table(**dear)))


def test_one_percent():
    first, second = table(none={"violations": 100}), table(none={"violations": 101})
    assert not list(rows.differences(first, second))
    assert list(rows.differences(first, table(none={"violations": 102})))


def test_only():
    """By workload, change and load, each in full; a part of a word is none."""
    cases = ((None, False, 21), (None, True, 2), ("bottleneck", False, 1), ("bottleneck", True, 0), ("step", False, 10),
             ("step,10", False, 2), ("step,10,full", False, 1), ("step,100", True, 1), ("ste", False, 0))
    for only, quick, wanted in cases:
        assert len(violations.kinds(SimpleNamespace(only=only, quick=quick, repeat=False, seeds=1))) == wanted, only
    assert len(violations.kinds(SimpleNamespace(only=None, quick=False, repeat=True, seeds=1))) == 20


def test_link():
    """In the table and on the page, and judged by nobody here."""
    link = {"arm": "kernel", "sent": 1000, "windows": 20, "violations": 20, "late": 900, "p50_ms": 5.0, "p99_ms": 9.0}
    both = table(kernel={"violations": 5}) + [rows.row_of_link(link, *violations.LINK)]
    assert not list(rows.misses(both)) and both[-1]["resource"] == "network"
    assert "bottleneck" in list(rows.table(both))[-1]
    assert "<td>network" in page.table(both)
    with tempfile.TemporaryDirectory() as folder:
        page.write(f"{folder}/page.html", both[-1:], [], [], "today", "alone")


def test_nothing_is_missed_where_nothing_changes_fast():
    assert not list(rows.misses([{**one, "load": "idle"} for one in table(kernel={"violations": 5})]))


def test_spread():
    shown = {one["arm"]: one for one in rows.spread([table(none={"violations": n}) for n in (7, 1, 3)])}
    assert shown["none"]["violations_spread"] == [1, 3, 7] and shown["none"]["violations"] == 3


def test_table_has_a_line_a_row():
    assert len(list(rows.table(table()))) == 2 + len(rows.ARMS)


def test_page():
    with tempfile.TemporaryDirectory() as folder:
        answers = [dict(ran(arm, 2), change_ms=100) for arm in rows.ARMS]
        page.write(f"{folder}/page.html", table(), answers, ["a <b> & c"], "today", "<script>")
        with open(f"{folder}/page.html", encoding="utf-8") as file:
            text = file.read()
    assert "a &lt;b&gt; &amp; c" in text and "<script" not in text and "://" not in text
    assert text.count("<svg") == len(rows.ARMS) + 4, "a strip an arm, and the plots"


def main():
    failed = 0
    for name, test in sorted(globals().items()):
        if name.startswith("test_"):
            try:
                test()
                print(f"ok      {name}")
            except AssertionError as wrong:
                failed += 1
                print(f"failed  {name}: {wrong!r}, line {wrong.__traceback__.tb_next.tb_lineno}")
    print(f"{sum(name.startswith('test_') for name in globals()) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    sys.exit(main())
