#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Counts the cases in a log of `meson test` (one JSON object a line).

A cmocka program counts by its cases, so that a case skipped inside a program that passes is seen.
A program that crashed, timed out or printed no summary counts as one failed test.
"""
import json
import re
import sys


def cases(text):
    """Numbers from the summaries of all groups of one cmocka program."""
    counts = {"PASSED": 0, "FAILED": 0, "SKIPPED": 0}
    for line in text.splitlines():
        found = re.match(r"\[\s*(PASSED|FAILED|SKIPPED)\s*\] (\d+) test\(s\)", line)
        if found:
            counts[found.group(1)] += int(found.group(2))
    return counts["PASSED"], counts["FAILED"], counts["SKIPPED"]


def count(test):
    """(passed, failed, skipped) of one program."""
    passed, failed, skipped = cases(test.get("stdout", "") + "\n" + test.get("stderr", ""))
    if test["result"] == "OK":
        return max(passed, 1 - bool(skipped)), failed, skipped
    if test["result"] == "SKIP":
        return passed, failed, max(skipped, 1)
    return passed, max(failed, 1), skipped


def main(path):
    totals = [0, 0, 0]
    with open(path, encoding="utf-8") as log:
        for line in log:
            totals = [a + b for a, b in zip(totals, count(json.loads(line)))]
    if not any(totals):
        print("no test ran: a suite that is empty cannot pass")
        totals[1] = 1
    print("%d passed, %d failed, %d skipped" % tuple(totals))
    return 1 if totals[1] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
