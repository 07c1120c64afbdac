# SPDX-License-Identifier: GPL-2.0-only
"""Abuse of the module, to be run in the lab, whose kernels complain: nothing here looks at what the module
promises, but at whether in the end nobody is stuck and everybody is scheduled as before.

    ./dev stress [--full] [KERNEL]
    ./dev vm KERNEL --timeout S -- python3 -B tests/vm/stress_module.py [--FIGURE N]... [NAME]...

The figures: --loads, --messages, --seconds (of each kind of abuse), --hotplugs, --removals, --changes (of the
qdisc).
"""
import argparse
import contextlib
import functools
import itertools
import os
import random
import signal
import sys
import threading
import time

# pylint: disable=missing-function-docstring
import stress_flow
import stress_qdisc
import stress_world as world
from genl import pack
from lab_test import module as module_by
from lab_test import (CHURN, MS, N, Netlink, Program, Refused, attach, build_program, build_worker, contract,
                      expect, policy, puppet, run, stream, until, worker, BAND, FIFO, OTHER, URGENT)
from stress_world import Groups, load, unload

ONLINE = "/sys/devices/system/cpu/cpu1/online"
FIGURES = {"loads": 50, "messages": 5000, "seconds": 15, "hotplugs": 10, "removals": 10, "changes": 300}
WANTED = argparse.Namespace()


module = functools.partial(module_by, load, unload)


def churn(population, seed=1, *more):
    return Program(CHURN, str(seed), str(population), *more)


def tried(call, *args, **values):
    """True: it was done. What does not fit any more, or is gone, is refused."""
    try:
        call(*args, **values)
        return True
    except (Refused, OSError):
        return False


# --- loading and unloading ---

def test_loads():
    """Each tenth time with a thread that it manages and a listener."""
    begin = time.monotonic()
    with worker(20000, 3000) as w:
        w.go()
        for i in range(WANTED.loads):
            load()
            if i % 10 == 0:
                nl = Netlink()
                nl.join("events")
                contract(nl, "a", stream(1))
                attach(nl, w.pid, 1, i // 10 % 2)
            unload()
            if i % 10 == 0:
                expect(policy(w.pid), (OTHER, 0, False))
            if i % 100 == 99:
                print(f"        {i + 1} loads", flush=True)
    print(f"        {WANTED.loads} loads, {(time.monotonic() - begin) / max(WANTED.loads, 1):.2f} s each")


# --- messages ---

def junk(rng, base):
    """A message that was right, and is so no more."""
    data = bytearray(base)
    for _ in range(rng.randint(1, 4)):
        what = rng.randint(0, 3)
        if what == 0 and data:
            data[rng.randrange(len(data))] = rng.randrange(256)
        elif what == 1:
            del data[rng.randint(0, len(data)):]
        elif what == 2:
            data += rng.randbytes(rng.randint(1, 12))
        elif len(data) >= 8:
            at = rng.randrange(len(data) // 4) * 4
            data[at:at + 4] = rng.choice([b"\0" * 4, b"\xff" * 4, b"\4\0\1\0", b"\1\0\0\0"])
    return bytes(data)


def right_messages(pids):
    """Every command, as it should be."""
    sets = [("CONTRACT_SET", "CONTRACT", {"NAME": "a", "STREAM": [stream(1), stream(2)]}),
            ("CONTRACT_SET", "CONTRACT", {"NAME": "b", "STREAM": [stream(3, y=9)], "ON_DRIFT": 1}),
            ("CONTRACT_SET", "CONTRACT", {"NAME": "c", "STREAM": [stream(4, MAX_THREADS=9)], "ON_EXPIRY": 2}),
            ("CONTRACT_DELETE", "CONTRACT", {"NAME": "b"}),
            ("TABLE_SET", "TABLE", {"STREAM": 2, "MODE": 1, "CYCLE": 2, "BITS": b"\1"}),
            ("TABLE_SET", "TABLE", {"STREAM": 2, "MODE": 3, "BUNDLE": 1, "BUDGET": MS}),
            ("CONFIG_SET", "CONFIG", {"LEASE": 100 * MS, "TELEMETRY": 20 * MS}),
            ("CONFIG_SET", "CONFIG", {"CAP_PPM": 700000, "CAP_INTERVAL": 100 * MS, "ARM": 1}),
            ("CPU_SET", "CPU", {"ID": 1, "ORDERING": 3}),
            ("STREAM_SET", "STREAM", {"ID": 2, "RUNTIME": 5 * MS}),
            ("CPU_GET", "CPU", {"ID": 0}), ("STREAM_GET", "STREAM", {"ID": 1}),
            ("CONTRACT_GET", "CONTRACT", {"NAME": "a"}), ("THREAD_GET", "THREAD", {"TID": pids[0]}),
            ("INFO_GET", "INFO", {}), ("LEASE_RENEW", "INFO", {}), ("FLUSH", "INFO", {})]
    for i, pid in enumerate(pids):
        sets.append(("ATTACH", "THREAD", {"TID": pid, "STREAM": i % 4 + 1, "CPU": i % 2}))
        sets.append(("DETACH", "THREAD", {"TID": pid}))
    return [(cmd, pack(space, values)) for cmd, space, values in sets]


DUMPS = [(f"{space}_GET", b"") for space in ("CONTRACT", "STREAM", "THREAD", "CPU")]


def fuzz_batch(nl, rng, right, size):
    """So many messages by one call of the kernel, each of which it answers. Returns how many it took."""
    batch = []
    for _ in range(size):
        cmd, payload = rng.choice(right)
        number = N["CMD_" + cmd] if rng.randrange(50) else rng.randrange(256)
        batch.append((number, payload if rng.randrange(4) == 0 else junk(rng, payload), rng.choice([4, 4, 0x204])))
    return nl.batch(batch)


def fuzz(seed, messages, pids):
    """One of those who send at the same time. (taken, refused)"""
    rng = random.Random(seed)
    nl, right = Netlink(), right_messages(pids)
    taken = sent = 0
    while sent < messages:
        size = min(16, messages - sent)
        taken += fuzz_batch(nl, rng, right, size)
        sent += size
        if sent % 160 == 0:
            cmd, payload = rng.choice(DUMPS)
            tried(nl.raw, nl.family, N["CMD_" + cmd], junk(rng, payload) if rng.randrange(2) else payload, 0x300)
    return taken, sent - taken


def in_child(call, *args):
    """A process that does it; its pid and where it will write what came of it."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    code = 1
    try:
        os.write(theirs, repr(call(*args)).encode())
        code = 0
    except BaseException as error:  # pylint: disable=broad-except
        os.write(theirs, repr(error).encode())
    finally:
        os._exit(code)


def outcome(child):
    pid, pipe = child
    text = os.read(pipe, 65536).decode()
    os.close(pipe)
    expect((os.waitpid(pid, 0)[1], text[:1]), (0, "("), text)
    return [int(n) for n in text.strip("()").split(",")]


def test_fuzzed_messages():
    """Two at a time, and one who listens and lets the messages pile up."""
    with worker(20000, 2000) as w, worker(30000, 5000, "-x") as v, puppet() as p, module() as nl:
        w.go()
        v.go()
        nl.join("telemetry")
        pids = [w.pid, v.pid, p.pid]
        half = WANTED.messages // 2
        children = [in_child(fuzz, 1, half, pids), in_child(fuzz, 2, WANTED.messages - half, pids)]
        sums = [sum(n) for n in zip(*map(outcome, children))]
        print(f"        {sums[0]} taken, {sums[1]} refused")
        expect(sum(sums), WANTED.messages)
        if not sums[0] or not sums[1]:
            raise AssertionError("only one kind of answer")


# --- threads that die, fork, execute, take locks ---

def contracts(nl, on_drift=1):
    contract(nl, "a", *[stream(i + 1, 10 + 5 * i, 3, OVERRUN=i % 3, MAX_THREADS=20) for i in range(6)],
             ON_DRIFT=on_drift)
    contract(nl, "b", stream(100, 20, 5, MAX_THREADS=20), stream(101, 30, 5, 0, 3, MAX_THREADS=20),
             ON_DRIFT=(on_drift + 1) % 3)


def manage_some(nl, rng, tids):
    """One step of a manager with a short memory. How many threads it attached."""
    what = rng.randrange(10)
    if what < 6 and tids:
        return tried(attach, nl, rng.choice(tids), rng.choice([1, 2, 3, 4, 5, 6, 100, 101]), rng.randrange(2))
    if what < 8 and tids:
        tried(nl.set, "DETACH", "THREAD", TID=rng.choice(tids))
    elif what == 8:
        tried(nl.set, "CPU_SET", "CPU", ID=rng.randrange(2), ORDERING=rng.randrange(7))
    else:
        tried(contracts, nl, rng.randrange(3))
    return 0


def test_churn():
    """Nobody changes its own scheduling, so all of the family must be as its first process is."""
    rng = random.Random(3)
    with Groups() as groups, churn(24) as family:
        groups.move(family.pid, 0)
        with module() as nl:
            contracts(nl)
            family.go()
            attached, end = 0, time.monotonic() + WANTED.seconds
            while time.monotonic() < end:
                attached += manage_some(nl, rng, groups.tids())
        print(f"        {attached} attached")
        if not attached:
            raise AssertionError("nobody was attached")
        check_family(groups)


def check_family(groups):
    def odd():
        wrong = []
        for tid in groups.tids():
            with contextlib.suppress(OSError):
                found = policy(tid), os.sched_getaffinity(tid), os.getpriority(os.PRIO_PROCESS, tid)
                if found != ((OTHER, 0, False), {0, 1}, 0):
                    wrong.append((tid, *found))
        return wrong
    until(lambda: not odd(), f"the family as it was: {odd()}")


def dies_meanwhile(nl, i, delay):
    """A thread that ends while it is attached (odd) or detached (even). Did the manager come in time?"""
    pid = os.fork()
    if not pid:
        signal.pause()
    killer = threading.Thread(target=lambda: (time.sleep(delay), os.kill(pid, signal.SIGKILL)))
    try:
        if i % 2 == 0:
            attach(nl, pid, 1, 1)
        killer.start()
        if i % 2:
            return tried(attach, nl, pid, 1, 1)
        time.sleep(delay)
        return tried(nl.set, "DETACH", "THREAD", TID=pid)
    finally:
        killer.join()
        os.waitpid(pid, 0)


def test_death():
    """At the very moment of an attach or a detach; in the end nobody who is dead is managed."""
    rng = random.Random(9)
    with worker(20000, 2000) as w, module() as nl:
        contract(nl, "a", stream(1, MAX_THREADS=20))
        contract(nl, "b", stream(2))
        attach(nl, w.pid, 2, 1)  # so that the CPU's dispatcher stays
        in_time, end = [0, 0], time.monotonic() + WANTED.seconds
        for i in itertools.takewhile(lambda _: time.monotonic() < end, itertools.count()):
            in_time[i % 2] += dies_meanwhile(nl, i, rng.random() / 300)
            if i % 50 == 49:  # the contract goes, and with it what is not detached yet
                nl.set("CONTRACT_DELETE", "CONTRACT", NAME="a")
                contract(nl, "a", stream(1, MAX_THREADS=20))
        print(f"        {i + 1} deaths; {in_time[1]} were still attached, {in_time[0]} detached")
        until(lambda: [t["TID"] for t in nl.dump("THREAD_GET", "THREAD")] == [w.pid], "only the living")


# --- somebody else changes them ---

def meddle_once(rng, groups, pids):
    pid, rest = rng.choice(pids), rng.choice(groups.tids() or pids)
    tried(rng.choice([
        lambda: os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(rng.randint(1, 60))),
        lambda: os.sched_setscheduler(rest, os.SCHED_FIFO, os.sched_param(rng.randint(1, 9))),
        lambda: os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0)),
        lambda: os.sched_setaffinity(pid, {rng.randrange(2)}),
        lambda: os.sched_setaffinity(rest, {0, 1}),
        lambda: os.setpriority(os.PRIO_PROCESS, pid, rng.randint(0, 19)),
        lambda: os.kill(rest, signal.SIGKILL),
        lambda: groups.move(rest, rng.randrange(2)),
        lambda: groups.move(pid, rng.randrange(2)),
        lambda: groups.freeze(rng.randrange(2), rng.randrange(2))]))


def meddle(rng, groups, pids, end):
    """Above all others, so that nobody whom it made real-time keeps the CPUs."""
    os.sched_setscheduler(0, FIFO, os.sched_param(90))
    while time.monotonic() < end:
        meddle_once(rng, groups, pids)
        time.sleep(0.01)
        for pid in pids:
            tried(os.sched_setscheduler, pid, os.SCHED_OTHER, os.sched_param(0))
        time.sleep(0.02)


def not_in_band(tid):
    try:
        number, priority, _ = policy(tid)
    except OSError:
        return True
    return number != FIFO or priority not in (*BAND, URGENT)


def test_meddling():
    """Policies, affinities, nice values, groups, frozen groups, kills from outside; and rmmod under it."""
    rng = random.Random(2)
    workers = [worker(rng.randint(5, 30) * 1000, rng.randint(1, 8) * 1000, *(["-x"] if i % 3 == 0 else []))
               for i in range(6)]
    with contextlib.ExitStack() as stack:
        for w in workers:
            stack.enter_context(w)
            w.go()
        groups = stack.enter_context(Groups(cpuset_cpus="1", cpu_max="30000 100000"))
        family = stack.enter_context(churn(16, 5, "-m"))
        groups.move(family.pid, 0)
        family.go()
        load()
        nl, end = Netlink(), time.monotonic() + WANTED.seconds
        contracts(nl)
        pids = [w.pid for w in workers]
        other = threading.Thread(target=meddle, args=(random.Random(4), groups, pids, end))
        other.start()
        while time.monotonic() < end:
            manage_some(nl, rng, pids if rng.randrange(2) else groups.tids())
        unload()
        other.join()
        for tid in pids + groups.tids():
            until(lambda tid=tid: not_in_band(tid), f"{tid} out of the band")


# --- rmmod under load ---

def pester(end, pids):
    """Somebody who goes on whatever comes and goes: the family is not there, and there again."""
    rng, n = random.Random(os.getpid()), 0
    while time.monotonic() < end:
        try:
            nl = Netlink()
            while time.monotonic() < end:
                contracts(nl, rng.randrange(3))
                for _ in range(10):
                    n += manage_some(nl, rng, pids)
                    tried(nl.raw, nl.family, N["CMD_STREAM_GET"], b"", 0x300)
                nl.get("INFO_GET", "INFO")
        except Refused:
            time.sleep(0.01)
    return n, 0


def test_removal_under_load():
    """Unloaded at any moment while two attach and dump as fast as they can."""
    rng = random.Random(6)
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(worker(10000, 2000)) for _ in range(6)]
        for w in workers:
            w.go()
        end = time.monotonic() + 3 * WANTED.removals
        children = [in_child(pester, end, [w.pid for w in workers]) for _ in range(2)]
        removals = 0
        while time.monotonic() < end:
            load()
            time.sleep(rng.random() * 2)
            unload()
            removals += 1
        attached = sum(outcome(child)[0] for child in children)
        print(f"        {removals} removals, {attached} attached meanwhile")
        if not attached:
            raise AssertionError("nobody was attached")
        for w in workers:
            expect((policy(w.pid), os.sched_getaffinity(w.pid)), ((OTHER, 0, False), {0, 1}))


# --- CPUs that come and go ---

def test_hotplug():
    """With threads on the CPU, while others are being attached there; and loads without it."""
    rng = random.Random(7)
    with worker(10000, 2000) as w, worker(15000, 3000, "-x") as v, Groups() as groups, churn(12, 8) as family:
        groups.move(family.pid, 0)
        for program in (w, v, family):
            program.go()
        end = time.monotonic() + 3600
        try:
            hotplugs(rng, [w.pid, v.pid], groups, end)
        finally:
            world.write(ONLINE, 1)
        check_family(groups)


def hotplugs(rng, pids, groups, end):
    load()
    nl = Netlink()
    contracts(nl)
    for i in range(WANTED.hotplugs):
        for _ in range(6):
            manage_some(nl, rng, groups.tids())
        for pid in pids:
            tried(attach, nl, pid, 1, 1)
        other = threading.Thread(target=lambda: [manage_some(nl, rng, pids) for _ in range(20)])
        other.start()
        world.write(ONLINE, 0)
        other.join()
        expect([c["ID"] for c in nl.dump("CPU_GET", "CPU")], [0])
        if i % 3 == 2:
            unload()
            load()
            nl = Netlink()
            contracts(nl)
        world.write(ONLINE, 1)
        expect(time.monotonic() < end, True, "in time")
    unload()


# --- the qdisc ---

def test_qdisc_changes():
    with module():
        stress_qdisc.changes(WANTED.changes)


def test_qdisc_fuzzed():
    with module():
        stress_qdisc.fuzz(WANTED.messages)


def test_qdisc_ends():
    with module():
        stress_qdisc.ends(WANTED.seconds)


def test_flows_change():
    with module():
        stress_flow.changes(WANTED.changes)


# --- all of it ---

def checked(test):
    """The test, and then: is everybody as before?"""
    def with_check():
        before, begin = world.scheduling(), time.monotonic()
        test()
        world.check_all_restored(before)
        world.check_nobody_stuck()
        print(f"        {time.monotonic() - begin:.0f} s", flush=True)
    with_check.__name__ = test.__name__
    return with_check


def be_heard():
    """Those who are abused take all of the CPUs that they get, also as ordinary threads; who abuses them
    must get on. Its children are as if it had not done this."""
    os.sched_setscheduler(0, OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
    os.setpriority(os.PRIO_PROCESS, 0, -15)


def main():
    parser = argparse.ArgumentParser()
    for name, figure in FIGURES.items():
        parser.add_argument(f"--{name}", type=int, default=int(os.environ.get(f"QOS_STRESS_{name.upper()}", figure)))
    parser.add_argument("only", nargs="*")
    parser.parse_args(namespace=WANTED)
    be_heard()
    build_worker()
    build_program(CHURN, "churn.c")
    tests = [test_loads, test_fuzzed_messages, test_churn, test_death, test_meddling, test_removal_under_load, test_hotplug,
             test_qdisc_changes, test_qdisc_fuzzed, test_qdisc_ends, test_flows_change]
    return run([checked(t) for t in tests if not WANTED.only or any(o in t.__name__ for o in WANTED.only)],
               twice=False)


if __name__ == "__main__":
    sys.exit(main())
