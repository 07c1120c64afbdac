# SPDX-License-Identifier: GPL-2.0-only
"""What the benches share: rows with a bound, printed as a table or as one JSON line."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../live"))


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


class Bench:
    """Collects rows; end() prints them and exits 1 if a bound was missed. `flags`: what else it takes."""

    def __init__(self, name, flags=()):
        known = ["--json", *flags]
        unknown = [word for word in sys.argv[1:] if word not in known]
        if unknown:
            sys.exit(f"bench {name}: takes {' '.join(known)}, not \"{unknown[0]}\"")
        if os.geteuid() != 0:
            sys.exit(f"bench {name}: needs root")
        self.name = name
        self.quick = "--quick" in sys.argv[1:]
        self.rows = []

    def row(self, what, value, unit, bound=None, **more):
        """bound: the largest value that is still good; None: only told."""
        good = bound is None or value <= bound
        self.rows.append({"what": what, "value": round(value, 4), "unit": unit, "bound": bound,
                          "good": good, **more})

    def end(self):
        if "--json" in sys.argv[1:]:
            print(json.dumps({"bench": self.name, "rows": self.rows}))
        else:
            for row in self.rows:
                bound = f"<= {row['bound']:g}" if row["bound"] is not None else ""
                print(f"{row['what']:48} {row['value']:12.3f} {row['unit']:12} {bound:10} "
                      f"{'' if row['good'] else 'MISSED'}")
        sys.exit(0 if all(row["good"] for row in self.rows) else 1)


def small_contract(number, runtime="100us"):
    """One of a thousand: about 0.1 % of a CPU, for a program that does not exist."""
    return f"""version: 1
contract: c{number}
description: one of many
importance: {number % 100}
match:
  - exe: /usr/bin/qosd-bench-{number}
    user: root
    cmdline: .*--number={number}
cpu:
  - name: loop
    threads: ["loop*"]
    period: 600ms
    runtime: {runtime}
    deadline: 580ms
    window: 1/10
    range: {{runtime: 50us..200us}}
"""
