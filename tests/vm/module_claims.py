# SPDX-License-Identifier: GPL-2.0-only
"""Mandatory requests: which tables the module takes and which it refuses, and what it does with them.

Run by test_module.py. Whether threads are released together is for virtual time to say (one CPU); elsewhere
the host may keep them apart.
"""
import time

# pylint: disable=missing-function-docstring
from lab_test import (ALL, FIFO, HISTOGRAMS, MS, N, OTHER, URGENT, attach, contract, events, expect, in_band,
                      listener, module, policy, refused, stats, stream, until, worker)

VIRTUAL_TIME = len(ALL) == 1
TOLERANCE = 250000


def claim(nl, number, mode, **more):
    nl.set("TABLE_SET", "TABLE", STREAM=number, MODE=mode, **more)


def claimed(nl, *numbers):
    return [(s["TABLE"], s["PROVEN"]) for s in nl.dump("STREAM_GET", "STREAM") if s["ID"] in numbers]


# --- tables ---

def test_table_sporadic():
    with module() as nl, worker(50000, 1000) as w:
        contract(nl, "a", stream(1, 50, 40, x=1, y=3), stream(2))
        refused("is attached", nl.set, "TABLE_SET", "TABLE", STREAM=1, MODE=1, CYCLE=3, BITS=b"\x05")
        attach(nl, w.pid, 1)
        refused("window's y", nl.set, "TABLE_SET", "TABLE", STREAM=1, MODE=1, CYCLE=4, BITS=b"\x05")
        refused("fewer", nl.set, "TABLE_SET", "TABLE", STREAM=1, MODE=1, CYCLE=3, BITS=b"\x01")
        refused("bytes", nl.set, "TABLE_SET", "TABLE", STREAM=1, MODE=1, CYCLE=3, BITS=b"\x01\x00")
        refused("missing", nl.set, "TABLE_SET", "TABLE", STREAM=1, MODE=1)
        refused("mode phases", nl.set, "TABLE_SET", "TABLE", STREAM=1, MODE=1, CYCLE=3, BITS=b"\x05", EPOCH=5)
        nl.set("TABLE_SET", "TABLE", STREAM=1, MODE=1, CYCLE=3, BITS=b"\x05")
        got = nl.get("STREAM_GET", "STREAM", ID=1)
        expect((got["TABLE"], got["PROVEN"]), (1, 1))
        w.go()
        until(lambda: stats(nl, 1)["SERVED"] >= 30, "served")
        got = stats(nl, 1)
        share = got["MANDATORY"] / (got["SERVED"] + got["LOST"])
        if not 0.6 < share < 0.75:
            raise AssertionError(f"{share} of the requests were mandatory")
        nl.set("TABLE_SET", "TABLE", STREAM=1, MODE=0)
        expect(nl.get("STREAM_GET", "STREAM", ID=1)["TABLE"], 0)


def test_one_short_mandatory_stream_stands_above_timers():
    with module() as nl, worker(20000, 50) as a, worker(20000, 50) as b, worker(20000, 50) as long:
        contract(nl, "a", stream(1, 20, 0.2), stream(2, 20, 0.2), stream(3, 20, 2))
        for number, program in enumerate((a, b, long), 1):
            attach(nl, program.pid, number)
        for number in 3, 1, 2:
            claim(nl, number, 1, CYCLE=2, BITS=b"\x01")
        until(lambda: policy(a.pid) == (FIFO, URGENT, True), "above timers")
        expect([in_band(p.pid) for p in (b, long)], [True, True])
        claim(nl, 1, 0)
        until(lambda: in_band(a.pid), "back in the band")
        claim(nl, 2, 1, CYCLE=2, BITS=b"\x01")
        until(lambda: policy(b.pid)[1] == URGENT, "the next one that claims")
        nl.set("DETACH", "THREAD", TID=b.pid)
        expect(policy(b.pid), (OTHER, 0, False))


def test_overrun_ends_the_claim():
    with module() as nl, worker(20000, 60000, "-x") as w:
        heard = listener()
        contract(nl, "a", stream(1, x=1, y=2))
        attach(nl, w.pid, 1)
        nl.set("TABLE_SET", "TABLE", STREAM=1, MODE=1, CYCLE=2, BITS=b"\x01")
        w.go()
        event = events(heard, "UNPROVEN")
        expect((event["STREAM"], event["REASON"]), (1, 3))
        got = nl.get("STREAM_GET", "STREAM", ID=1)
        expect((got["TABLE"], got["PROVEN"]), (1, 0))


def test_table_phases():
    with module() as nl, worker(50000, 3000) as w:
        heard = listener()
        contract(nl, "a", stream(1, 50, 10, 1, 2))
        attach(nl, w.pid, 1)
        refused("has passed", nl.set, "TABLE_SET", "TABLE", STREAM=1, MODE=2, CYCLE=2, BITS=b"\x01", EPOCH=5)
        w.go()
        until(lambda: stats(nl, 1)["SERVED"] > 5, "served")
        grid = nl.get("THREAD_GET", "THREAD", TID=w.pid)["GRID"]
        nl.set("TABLE_SET", "TABLE", STREAM=1, MODE=2, CYCLE=2, BITS=b"\x01", EPOCH=grid + 500 * MS)
        until(lambda: stats(nl, 1)["MANDATORY"] > 0 or nl.get("STREAM_GET", "STREAM", ID=1)["PROVEN"] == 0,
              "mandatory requests, or a grid that this machine could not keep")
        w.stop()
        expect(events(heard, "GONE")["STREAM"], 1)


def test_table_bundle():
    with module() as nl, worker(50000, 3000) as w, worker(50000, 3000) as v:
        contract(nl, "a", stream(1, 50, 10, 1, 2), stream(2, 50, 10, 1, 2), stream(3, 60, 10))
        attach(nl, w.pid, 1)
        attach(nl, v.pid, 2)
        claim(nl, 1, 3, BUNDLE=5, BUDGET=12 * MS)
        refused("must be equal", claim, nl, 2, 3, BUNDLE=5, BUDGET=13 * MS)
        refused("go with", claim, nl, 2, 3, BUNDLE=5)
        claim(nl, 2, 3, BUNDLE=5, BUDGET=12 * MS)
        expect(claimed(nl, 1, 2), [(3, 1), (3, 1)])
        nl.set("DETACH", "THREAD", TID=v.pid)
        expect(claimed(nl, 1, 2), [(3, 0), (0, 0)])


def test_bundle_runs_as_it_was_verified():
    """Each of two owes every other request, and the budget has room for one of them."""
    start = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + 4000 * MS
    with module() as nl, worker(100000, 1000, "-s", start) as w, worker(100000, 1000, "-s", start) as v:
        contract(nl, "a", stream(1, 100, 10, 1, 2), stream(2, 100, 10, 1, 2))
        attach(nl, w.pid, 1)
        attach(nl, v.pid, 2)
        w.go()
        v.go()
        until(lambda: all(stats(nl, number)["SERVED"] for number in (1, 2)), "asleep until they start")
        for number in (1, 2):
            claim(nl, number, 3, BUNDLE=5, BUDGET=12 * MS)
        before = [stats(nl, number) for number in (1, 2)]
        until(lambda: stats(nl, 1)["SERVED"] >= 20 or claimed(nl, 1) != [(3, 1)], "served, or unproven")
        grids = [nl.get("THREAD_GET", "THREAD", TID=program.pid)["GRID"] for program in (w, v)]
        if not VIRTUAL_TIME and abs(grids[0] - grids[1]) > TOLERANCE:
            expect(claimed(nl, 1, 2), [(3, 0), (3, 0)], "this machine released them apart")
            return
        expect(claimed(nl, 1, 2), [(3, 1), (3, 1)])
        for number, old in enumerate(before):
            got = stats(nl, number + 1)
            requests = got["SERVED"] + got["LOST"] - old["SERVED"] - old["LOST"]
            if abs(2 * got["MANDATORY"] - requests) > 2 or got["VIOLATIONS"] or got["MANDATORY_LOST"]:
                raise AssertionError({k: v for k, v in got.items() if k not in HISTOGRAMS})


# --- claims ---

def test_wrong_claims_are_refused():
    with module() as nl, worker(50000, 1000) as w, worker(50000, 1000) as v, worker(50000, 1000) as u:
        expect(nl.get("INFO_GET", "INFO")["FEATURES"] & N.get("FEATURE_CHECKED", 4), 4)
        contract(nl, "cam", stream(1, 50, 20, 1, 2), stream(2, 50, 25, 1, 3), stream(3, 50, 15, 0, 0))
        for number, program in enumerate((w, v, u)):
            attach(nl, program.pid, number + 1)
        refused("stream cam/s1: fewer requests", claim, nl, 1, 1, CYCLE=2, BITS=b"\x00")
        claim(nl, 1, 1, CYCLE=2, BITS=b"\x01")
        # 20.04 and 25.04 ms of 45, less what a wakeup may be late: too much only if both are mandatory
        refused("stream cam/s2: EDF would miss", claim, nl, 2, 1, CYCLE=3, BITS=b"\x03")
        refused("stream cam/s2: mode phases goes with no other", claim, nl, 2, 2, CYCLE=3, BITS=b"\x03",
                EPOCH=time.clock_gettime_ns(time.CLOCK_MONOTONIC) + 1000 * MS)
        expect(claimed(nl, 1, 2, 3), [(1, 1), (0, 0), (0, 0)])
        refused("window's y", claim, nl, 3, 1, CYCLE=2, BITS=b"\x03")
        claim(nl, 3, 1, CYCLE=1, BITS=b"\x01")
        refused("stream cam/s2: EDF would miss", claim, nl, 2, 1, CYCLE=3, BITS=b"\x03")
        claim(nl, 1, 0)
        claim(nl, 2, 1, CYCLE=3, BITS=b"\x03")  # beside 15.04 it fits
        refused("stream cam/s1: EDF would miss", claim, nl, 1, 1, CYCLE=2, BITS=b"\x01")
        refused("stream cam/s3: EDF would miss", claim_with_more, nl, 3)
        expect(claimed(nl, 1, 2, 3), [(0, 0), (1, 1), (1, 0)])


def claim_with_more(nl, number):
    contract(nl, "cam", stream(1, 50, 20, 1, 2), stream(2, 50, 25, 1, 3), stream(3, 50, 25, 0, 0))
    claim(nl, number, 1, CYCLE=1, BITS=b"\x01")


def test_wrong_bundles_and_phases_are_refused():
    with module() as nl, worker(50000, 1000) as w, worker(50000, 1000) as v, worker(50000, 1000) as u:
        contract(nl, "a", stream(1, 50, 20, 1, 2), stream(2, 50, 25, 1, 2), stream(3, 50, 20, 1, 2))
        for number, program in enumerate((w, v, u)):
            attach(nl, program.pid, number + 1)
        claim(nl, 1, 3, BUNDLE=5, BUDGET=30 * MS)
        claim(nl, 2, 3, BUNDLE=5, BUDGET=30 * MS)
        refused("stream a/s3: its bundle's budget is too small", claim, nl, 3, 3, BUNDLE=5, BUDGET=30 * MS)
        expect(claimed(nl, 1, 2, 3), [(3, 1), (3, 1), (0, 0)])
        claim(nl, 1, 0)
        expect(claimed(nl, 1, 2), [(0, 0), (3, 0)])
        epoch = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + 5000 * MS
        claim(nl, 1, 2, CYCLE=2, BITS=b"\x01", EPOCH=epoch)
        refused("stream a/s2: EDF would miss", claim, nl, 2, 2, CYCLE=2, BITS=b"\x01", EPOCH=epoch)
        refused("stream a/s2: the cycles", claim, nl, 2, 2, CYCLE=4, BITS=b"\x0a", EPOCH=epoch)
        refused("stream a/s2: the cycles", claim, nl, 2, 2, CYCLE=3, BITS=b"\x0f", EPOCH=epoch)
        claim(nl, 2, 2, CYCLE=2, BITS=b"\x02", EPOCH=epoch)
        refused("stream a/s3: EDF would miss", claim, nl, 3, 2, CYCLE=2, BITS=b"\x02", EPOCH=epoch)
        expect(claimed(nl, 1, 2, 3), [(2, 1), (2, 1), (0, 0)])


def test_charges():
    with module() as nl, worker(50000, 1000) as w:
        heard = listener()
        contract(nl, "a", stream(1, 50, 44, 1, 2, RUNTIME_MIN=1 * MS, RUNTIME_MAX=45 * MS))
        attach(nl, w.pid, 1)
        nl.set("CONFIG_SET", "CONFIG", DISPATCH=350000)  # (44 + .7) / .9 = 49.67, D' = 49.70
        claim(nl, 1, 1, CYCLE=2, BITS=b"\x01")
        nl.set("CONFIG_SET", "CONFIG", DISPATCH=350000, BLOCKING=0, CAP_PPM=950000)
        expect(claimed(nl, 1), [(1, 1)])
        nl.set("CONFIG_SET", "CONFIG", BLOCKING=500000, CAP_PPM=900000)
        expect((claimed(nl, 1), events(heard, "UNPROVEN")["REASON"]), ([(1, 0)], N["UNPROVEN_CHANGE"]))
        refused("stream a/s1: with its charges C does not fit", claim, nl, 1, 1, CYCLE=2, BITS=b"\x01")
        refused("out of range", nl.set, "CONFIG_SET", "CONFIG", DISPATCH=11 * MS)
        info = nl.get("INFO_GET", "INFO")
        expect((info["DISPATCH"], info["BLOCKING"]), (350000, 500000))
        nl.set("STREAM_SET", "STREAM", ID=1, RUNTIME=30 * MS)
        claim(nl, 1, 1, CYCLE=2, BITS=b"\x01")
        for runtime, on in ((20, 1), (30, 1), (31, 0)):
            nl.set("STREAM_SET", "STREAM", ID=1, RUNTIME=runtime * MS)
            expect(claimed(nl, 1), [(1, on)], f"with {runtime} ms")
