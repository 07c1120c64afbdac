# SPDX-License-Identifier: GPL-2.0-only
"""Windows kept by the module, beside those that the same algorithm keeps on an ideal machine.

    ./dev vm rt --virtual-time --shift 3 -- python3 tests/vm/windows.py [SETS [SECONDS [SEED]]]

Random sets of 2 to 6 streams with total demand above 1 and a minimum utilisation of .5 to .85 (the cap
is 90 %), C of 1 to 4 slots, unequal periods and phases; a slot is 2 ms. Programs skip when late. Beside them
runs a SCHED_OTHER hog. Streams ask for C slots; the programs burn a little less, for what dispatching costs.
Only virtual time says anything: elsewhere the machine's noise breaks windows.
"""
import os
import random
import subprocess
import sys
import time

from lab_test import (MS, N, Netlink, Program, TOP, attach, build_worker, contract, counters, load, unload,
                      worker)

SLOT_US = 2000
MARGIN_US = 60
ORDERING = N["ORDERING_FIN"]


def random_set(rng):
    while True:
        streams = []
        for _ in range(rng.randint(2, 6)):
            period, y = rng.randint(3, 20), rng.randint(1, 5)
            cost = rng.randint(1, min(4, period))
            streams.append((period, cost, rng.randint(0, y - 1), y, rng.randint(0, period - 1)))
        least = sum((1 - x / y) * c / t for t, c, x, y, _ in streams)
        total = sum(c / t for t, c, _, _, _ in streams)
        if 0.5 <= least <= 0.85 and total > 1:
            return streams


def ideal(streams, slots):
    out = subprocess.run(["/tmp/qos-slots", str(ORDERING), str(slots), *[",".join(map(str, s)) for s in streams]],
                         stdout=subprocess.PIPE, text=True, check=True)
    return [tuple(map(int, line.split())) for line in out.stdout.splitlines()]


def on_the_module(streams, seconds):
    load()
    nl = Netlink()
    programs = []
    try:
        contract(nl, "a", *[{"ID": i + 1, "NAME": f"s{i}", "PERIOD": t * SLOT_US * 1000,
                             "RUNTIME": c * SLOT_US * 1000, "X": x, "Y": y}
                            for i, (t, c, x, y, _) in enumerate(streams)])
        start = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + 400 * MS
        for t, c, _, _, phase in streams:
            programs.append(worker(t * SLOT_US, c * SLOT_US - MARGIN_US, "-s", start, "-p", phase * SLOT_US))
        for i, program in enumerate(programs):
            attach(nl, program.pid, i + 1)
        with Program("/bin/sh", "-c", "echo ready; read x; while :; do :; done") as hog:
            for program in programs:
                program.go()
            hog.go()
            left = start / 1e9 + seconds - time.clock_gettime(time.CLOCK_MONOTONIC)
            time.sleep(max(left, 0))
            got = [(s["STATS"]["WINDOWS"], s["STATS"]["VIOLATIONS"], s["STATS"]["OVERRUNS"])
                   for s in nl.dump("STREAM_GET", "STREAM")]
            return got, counters(nl)
    finally:
        for program in programs:
            program.process.kill()
            program.process.communicate()
        unload()


def main():
    sets, seconds, seed = (int(a) for a in (sys.argv[1:] + ["6", "2", "1"][len(sys.argv) - 1:]))
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", "/tmp/qos-slots",
                    os.path.join(TOP, "tests", "vm", "slots.c")], check=True)
    build_worker()
    rng = random.Random(seed)
    passed = failed = 0
    for number in range(sets):
        streams = random_set(rng)
        wanted = ideal(streams, seconds * 1000000 // SLOT_US)
        got, count = on_the_module(streams, seconds)
        worse = [i for i, (w, g) in enumerate(zip(wanted, got)) if w[1] == 0 and g[1] > 0]
        fate = "FAILED" if worse and not any(w[1] for w in wanted) else "ok    "
        passed += fate != "FAILED"
        failed += fate == "FAILED"
        print(f"{fate} set {number} {streams}: windows {[g[0] for g in got]} broken {[g[1] for g in got]} "
              f"ideal {[w[1] for w in wanted]} overruns {[g[2] for g in got]}; "
              f"{count['CHANGES']} changes for {count['CHOICES']} choices, lean {count['LEAN']}, "
              f"capped {count['CAPPED']}", flush=True)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


sys.exit(main())
