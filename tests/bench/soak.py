#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""One daemon for an hour of virtual time (2 ns an instruction) on a stock RT kernel with the module, and one for another hour
without. Each second minute contracts, their programs, rules, queues, adjustments and confirmations come, change and go
(tests/vm/soak_guest.py has the round). After a quarter of the time the rest is taken in two halves: the most that the daemon
and the kernel hold after a round of the second one is compared with the most of the first. The most, because an
allocator gives back when it likes. Last line: one JSON object, which has each round too.

  soak.py [--minutes N] [--json]

Bounds: memory of the daemon (anonymous: what it has of its program's files grows as they are used, up to their size)
grows by at most 1 % or 256 KiB, the kernel's by 1 % or 1 MiB; everything that can be counted
(descriptors, BPF programs, maps and links, pins, files, processes, the module's contracts) by nothing.
"""
import argparse
import os
import sys

import lab

SHIFT, SEED = 1, 1
WARM_ONE_OF = 4
SHARE, OF_DAEMON_KIB, OF_KERNEL_KIB = 0.01, 256, 1024
KIB = {"Anonymous": OF_DAEMON_KIB, "VmData": OF_DAEMON_KIB, "VmLck": OF_DAEMON_KIB, "SUnreclaim": OF_KERNEL_KIB}


def arguments():
    parser = argparse.ArgumentParser(prog="bench soak", allow_abbrev=False)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.minutes < 60:  # the history of events, a second each, is full after 17 minutes: before the first half
        parser.error("--minutes takes 60 or more")
    return options


def rows_of(name, rounds):
    """A row for each thing that is held."""
    warm = rounds[-(-len(rounds) // WARM_ONE_OF):]
    middle = len(warm) // 2
    for what in rounds[0]["held"]:
        was, now = (max(one["held"][what] for one in half) for half in (warm[:middle], warm[middle:]))
        bound = max(KIB[what], int(was * SHARE)) if what in KIB else 0
        yield {"daemon": name, "what": what, "unit": "KiB" if what in KIB else "", "first_half": was, "second_half": now,
               "end": rounds[-1]["held"][what], "growth": now - was, "bound": bound, "good": now - was <= bound}


def main():
    options = arguments()
    lab.build_module()
    jobs = [{"module": module, "minutes": options.minutes} for module in (True, False)]
    answers, error = lab.run_with_daemon("soak_guest.py", jobs, SHIFT, 6000, SEED)
    if error:
        sys.exit(error)
    rows, missed = [], []
    for job in jobs:
        name = "with the module" if job["module"] else "without"
        rounds = [got for got in answers if got["module"] == job["module"]]
        rows += rows_of(name, rounds)
        late = sum(one["late"] for one in rounds)
        print(f"{name}: {len(rounds)} rounds in {rounds[-1]['at_s']} s, {late} of them took longer than they should",
              file=sys.stderr)
    for row in rows:
        if not options.json:
            print(f"{row['daemon']:16} {row['what']:14} {row['first_half']:8} {row['second_half']:8} {row['unit']:4} "
                  f"growth {row['growth']:6} <= {row['bound']}{'' if row['good'] else '  MISSED'}")
        if not row["good"]:
            missed.append(f"{row['daemon']}: {row['what']} grew by {row['growth']}")
    lab.end(missed, bench="soak", minutes=options.minutes, rows=rows, rounds=answers)


if __name__ == "__main__":
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
    main()
