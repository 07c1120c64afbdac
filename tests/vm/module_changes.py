# SPDX-License-Identifier: GPL-2.0-only
"""What the module does when something else changes: drift, the lease, unloading, hotplug.

Run by test_module.py.
"""
import os
import time

# pylint: disable=missing-function-docstring
from lab_test import (MS, N, Netlink, attach, contract, expect, load, module, policy, puppet, stats,
                      stream, unload, until, worker, FIFO, OTHER, RR, ALL, in_band, refused, events,
                      listener)


# --- drift ---

def with_drift(on_drift, change, then):
    with module() as nl, puppet() as p:
        heard = listener()
        contract(nl, "a", stream(1), ON_DRIFT=on_drift)
        attach(nl, p.pid, 1)
        until(lambda: in_band(p.pid), "in the band")
        change(p)
        p.ask("naps 3 0.01")
        event = events(heard, "DRIFT")
        expect(event["TID"], p.pid)
        then(nl, p, event)


def test_drift_yield():
    def then(nl, p, event):
        expect(event["WHAT"], 1)
        expect(nl.get("THREAD_GET", "THREAD", TID=p.pid)["FLAGS"] & N.get("THREAD_DRIFTED", 32), 32)
        expect(policy(p.pid)[:2], (RR, 60))
        nl.set("DETACH", "THREAD", TID=p.pid)
        expect(policy(p.pid)[:2], (RR, 60))
        expect(os.sched_getaffinity(p.pid), ALL)
    with_drift(0, lambda p: os.sched_setscheduler(p.pid, RR, os.sched_param(60)), then)


def test_drift_yield_takes_the_gift_back():
    def then(_, p, __):
        until(lambda: policy(p.pid)[:2] == (OTHER, 0), "SCHED_OTHER")
    with_drift(0, lambda p: p.ask("sched 1 5"), then)


def test_drift_restore():
    def then(nl, p, _):
        until(lambda: in_band(p.pid), "in the band again")
        expect(nl.get("THREAD_GET", "THREAD", TID=p.pid)["FLAGS"] & 32, 0)
    with_drift(1, lambda p: os.sched_setscheduler(p.pid, RR, os.sched_param(60)), then)


def test_drift_warn():
    def then(_, p, __):
        expect(policy(p.pid)[:2], (RR, 60))
    with_drift(2, lambda p: os.sched_setscheduler(p.pid, RR, os.sched_param(60)), then)


def test_drift_of_affinity_yield():
    def then(nl, p, event):
        expect(event["WHAT"], 2)
        nl.set("DETACH", "THREAD", TID=p.pid)
        expect(os.sched_getaffinity(p.pid), {1})
    with_drift(0, lambda p: os.sched_setaffinity(p.pid, {1}), then)


def test_drift_of_affinity_restore():
    def then(_, p, __):
        until(lambda: os.sched_getaffinity(p.pid) == {0} and in_band(p.pid), "back")
    with_drift(1, lambda p: os.sched_setaffinity(p.pid, {1}), then)


def test_drifted_thread_that_ends():
    def then(nl, p, _):
        p.go("leave")
        until(lambda: nl.dump("THREAD_GET", "THREAD") == [], "gone")
    with_drift(0, lambda p: os.sched_setaffinity(p.pid, {1}), then)


# --- lease ---

def with_lease(on_expiry, then):
    with module() as nl, worker(20000, 3000) as w:
        heard = listener()
        contract(nl, "a", stream(1, RUNTIME_BASE=2 * MS), ON_EXPIRY=on_expiry)
        attach(nl, w.pid, 1)
        w.go()
        nl.set("CONFIG_SET", "CONFIG", LEASE=1000 * MS)
        for _ in range(4):
            time.sleep(0.5)
            nl.set("LEASE_RENEW", "INFO")
            expect(nl.get("INFO_GET", "INFO")["LEASE_STATE"], 1)
        event = events(heard, "LEASE")
        expect((event["CONTRACT"], event["ON_EXPIRY"]), ("a", on_expiry))
        expect(nl.get("INFO_GET", "INFO")["LEASE_STATE"], 2)
        expect(nl.get("CONTRACT_GET", "CONTRACT", NAME="a")["EXPIRED"], 1)
        then(nl, w)
        nl.set("LEASE_RENEW", "INFO")
        expect(nl.get("INFO_GET", "INFO")["LEASE_STATE"], 1)


def test_lease_hold():
    def then(nl, w):
        expect(nl.get("STREAM_GET", "STREAM", ID=1)["THREADS"], 1)
        expect(policy(w.pid)[0], FIFO)
    with_lease(0, then)


def test_lease_base():
    def then(nl, _):
        expect(nl.get("STREAM_GET", "STREAM", ID=1)["RUNTIME"], 2 * MS)
    with_lease(1, then)


def test_lease_release():
    def then(nl, w):
        expect(nl.get("STREAM_GET", "STREAM", ID=1)["THREADS"], 0)
        expect((policy(w.pid), os.sched_getaffinity(w.pid)), ((OTHER, 0, False), ALL))
    with_lease(2, then)


# --- the end ---

def test_rmmod_under_load():
    load()
    nl = Netlink()
    workers = [worker(20000, 4000) for _ in range(6)]
    contract(nl, "a", *[stream(i + 1) for i in range(6)])
    for i, w in enumerate(workers):
        attach(nl, w.pid, i + 1, i % 2)
        w.go()
    until(lambda: all(stats(nl, i + 1)["SERVED"] > 3 for i in range(6)), "served")
    unload()
    for w in workers:
        expect((policy(w.pid), os.sched_getaffinity(w.pid)), ((OTHER, 0, False), ALL))
        w.stop()


def test_hotplug():
    online = "/sys/devices/system/cpu/cpu1/online"
    with module() as nl, worker(20000, 4000) as w, puppet() as p:
        heard = listener()
        contract(nl, "a", stream(1), stream(2))
        attach(nl, w.pid, 1, 1)
        attach(nl, p.pid, 2, 1)
        w.go()
        until(lambda: stats(nl, 1)["SERVED"] > 3, "served")
        with open(online, "w", encoding="ascii") as file:
            file.write("0")
        try:
            expect(events(heard, "CPU_GONE")["CPU"], 1)
            for pid in (w.pid, p.pid):
                expect(policy(pid), (OTHER, 0, False))
            refused("not online", attach, nl, w.pid, 1, 1)
            expect([c["ID"] for c in nl.dump("CPU_GET", "CPU")], [0])
        finally:
            with open(online, "w", encoding="ascii") as file:
                file.write("1")
        attach(nl, w.pid, 1, 1)
        served = stats(nl, 1)["SERVED"]
        until(lambda: stats(nl, 1)["SERVED"] > served + 3, "served again")
