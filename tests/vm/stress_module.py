# SPDX-License-Identifier: GPL-2.0-only
"""Abuse of the module, to be run in the lab, whose kernels complain: nothing here looks at results but at
whether everything is restored in the end.

    ./dev vm rt -- python3 tests/vm/stress_module.py [LOADS [MESSAGES [SECONDS]]]
"""
import os
import random
import sys
import threading
import time

# pylint: disable=missing-function-docstring
from lab_test import (MS, N, Netlink, Refused, attach, build_worker, contract, expect, load, module, policy,
                      puppet, run, stream, unload, until, worker)

ARGUMENTS = [int(a) for a in sys.argv[1:]]
LOADS, MESSAGES, SECONDS = ARGUMENTS + [50, 10000, 20][len(ARGUMENTS):]


def test_loads():
    for i in range(LOADS):
        load()
        if i % 10 == 0:
            nl = Netlink()
            with puppet() as p:
                contract(nl, "a", stream(1))
                attach(nl, p.pid, 1, i // 10 % 2)
                unload()
                expect(policy(p.pid), (0, 0, False))
        else:
            unload()


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
            data += bytes(rng.randrange(256) for _ in range(rng.randint(1, 12)))
        elif len(data) >= 8:
            at = rng.randrange(len(data) // 4) * 4
            data[at:at + 4] = rng.choice([b"\0" * 4, b"\xff" * 4, b"\4\0\1\0", b"\1\0\0\0"])
    return bytes(data)


def test_fuzzed_messages():
    from genl import pack  # pylint: disable=import-outside-toplevel
    rng = random.Random(1)
    with module() as nl, puppet() as p, worker(20000, 2000) as w:
        w.go()
        good = [("CONTRACT_SET", pack("CONTRACT", {"NAME": "a", "STREAM": [stream(1), stream(2)]})),
                ("CONTRACT_SET", pack("CONTRACT", {"NAME": "b", "STREAM": [stream(3, y=9)], "ON_DRIFT": 1})),
                ("CONTRACT_DELETE", pack("CONTRACT", {"NAME": "b"})),
                ("ATTACH", pack("THREAD", {"TID": p.pid, "STREAM": 1, "CPU": 0})),
                ("ATTACH", pack("THREAD", {"TID": w.pid, "STREAM": 2, "CPU": 1})),
                ("DETACH", pack("THREAD", {"TID": p.pid})), ("DETACH", pack("THREAD", {"TID": w.pid})),
                ("TABLE_SET", pack("TABLE", {"STREAM": 2, "MODE": 1, "CYCLE": 2, "BITS": b"\1"})),
                ("TABLE_SET", pack("TABLE", {"STREAM": 2, "MODE": 3, "BUNDLE": 1, "BUDGET": MS})),
                ("CONFIG_SET", pack("CONFIG", {"LEASE": 100 * MS, "TELEMETRY": 20 * MS})),
                ("CPU_SET", pack("CPU", {"ID": 1, "ORDERING": 3})),
                ("STREAM_SET", pack("STREAM", {"ID": 2, "RUNTIME": 5 * MS})),
                ("STREAM_GET", b""), ("THREAD_GET", b""), ("INFO_GET", b""), ("LEASE_RENEW", b"")]
        done = refusals = 0
        for i in range(MESSAGES):
            cmd, payload = rng.choice(good)
            payload = payload if i % 3 == 0 else junk(rng, payload)
            try:
                flags = rng.choice([4, 4, 4, 0x300, 0x204]) if cmd.endswith("GET") else rng.choice([4, 4, 0x204])
                nl.raw(nl.family, N["CMD_" + cmd] if i % 50 else rng.randrange(256), payload, flags)
                done += 1
            except Refused:
                refusals += 1
        print(f"        {done} done, {refusals} refused")
        nl.set("FLUSH", "INFO")
        for pid in (p.pid, w.pid):
            expect((policy(pid), os.sched_getaffinity(pid)), ((0, 0, False), {0, 1}))


def meddle(pids, rng, end):
    """Somebody else's changes."""
    while time.monotonic() < end:
        pid = rng.choice(pids)
        try:
            rng.choice([lambda: os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(rng.randint(1, 60))),
                        lambda: os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0)),
                        lambda: os.sched_setaffinity(pid, {rng.randrange(2)}),
                        lambda: os.setpriority(os.PRIO_PROCESS, pid, rng.randint(0, 19))])()
        except OSError:
            pass
        time.sleep(0.01)


def test_meddling():
    """Threads that come, go, fork and are changed while they are managed; then rmmod under all that."""
    rng = random.Random(2)
    end = time.monotonic() + SECONDS
    load()
    nl = Netlink()
    workers = [worker(rng.randint(5, 30) * 1000, rng.randint(1, 8) * 1000, *(["-x"] if i % 3 == 0 else []))
               for i in range(8)]
    contract(nl, "a", *[stream(i + 1, 20, 6, OVERRUN=i % 3) for i in range(8)], ON_DRIFT=1)
    contract(nl, "b", *[stream(i + 100, MAX_THREADS=9) for i in range(2)])
    for w in workers:
        w.go()
    other = threading.Thread(target=meddle, args=([w.pid for w in workers], rng, end))
    other.start()
    n = 0
    while time.monotonic() < end:
        n += 1
        w = rng.randrange(8)
        try:
            rng.choice([lambda: attach(nl, workers[w].pid, w + 1, rng.randrange(2)),
                        lambda: attach(nl, workers[w].pid, w + 1, rng.randrange(2)),
                        lambda: nl.set("DETACH", "THREAD", TID=workers[w].pid),
                        lambda: nl.set("CPU_SET", "CPU", ID=rng.randrange(2), ORDERING=rng.randrange(7)),
                        lambda: nl.dump("THREAD_GET", "THREAD")])()
        except Refused:
            pass
        if n % 20 == 0:
            with puppet() as p:
                try:
                    attach(nl, p.pid, 100 + n % 2, n // 20 % 2)
                except Refused:
                    pass
                p.ask("grandchildren 2")
                if n % 40 == 0:
                    p.ask("exec_self")
    other.join()
    unload()
    for w in workers:
        until(lambda w=w: policy(w.pid)[0] in (os.SCHED_OTHER, os.SCHED_RR), "not left in the band")
        w.process.kill()
        w.process.communicate()


def test_hotplug_under_load():
    online = "/sys/devices/system/cpu/cpu1/online"
    with module() as nl, worker(10000, 2000) as w:
        contract(nl, "a", stream(1, 10, 4))
        w.go()
        for _ in range(5):
            attach(nl, w.pid, 1, 1)
            time.sleep(0.1)
            for state in ("0", "1"):
                with open(online, "w", encoding="ascii") as file:
                    file.write(state)
            until(lambda: policy(w.pid) == (0, 0, False), "given back")


if __name__ == "__main__":
    build_worker()
    sys.exit(run([test_loads, test_fuzzed_messages, test_meddling, test_hotplug_under_load]))
