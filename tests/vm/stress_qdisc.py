# SPDX-License-Identifier: GPL-2.0-only
"""Abuse of the qdisc: changed, replaced, deleted, fuzzed, its device and its namespace taken away, all while
packets come as fast as they can. stress_module.py runs it; the kernel must not complain, and nothing may be
lost but what is counted.
"""
import contextlib
import os
import random
import signal
import socket
import subprocess
import time

# pylint: disable=missing-function-docstring
from genl import NLM_F_ACK, NLM_F_DUMP, attr
from lab_test import MS, Refused, expect, until
from qdisc_world import DEV, SLOW, Sender, check_books, device, in_netns, ip, waiting
from rtnl import (CREATE, DELQDISC, DELTCLASS, GETQDISC, GETTCLASS, N, NEWQDISC, NEWTCLASS, REPLACE, REST, ROOT, Rtnl,
                  message, options_of)

MINORS = 40


def send_for_ever(seed, dev):
    rng = random.Random(seed)
    while True:
        try:
            sender = Sender(dev)
            while True:
                sender.send(rng.choice([rng.randint(1, MINORS + 2), REST]), rng.choice([60, 1000, 1500]))
        except OSError:  # the device is down, or not there
            time.sleep(0.01)


@contextlib.contextmanager
def flood(dev=DEV, senders=2):
    children = []
    for seed in range(senders):
        pid = os.fork()
        if pid == 0:
            try:
                os.setpriority(os.PRIO_PROCESS, 0, 10)
                send_for_ever(seed, dev)
            finally:
                os._exit(1)
        children.append(pid)
    try:
        yield
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def random_class(rng):
    y = rng.choice([0, 1, 10, 1000])
    period = rng.choice([2000, MS, 10 * MS, 1000 * MS])
    return {"PACKET": rng.choice([100, 1000, 1500]), "PERIOD": period, "Y": y, "X": rng.randint(0, y),
            "LATE": rng.randint(0, 1), "LIMIT": rng.choice([1, 10, 1000]),
            "DEADLINE": rng.choice([0, period // 2])}


def meddle(nl, rng):
    what = rng.randrange(20)
    if what == 0:
        nl.change(DEV, RATE=rng.choice([0, SLOW, 1000 * SLOW]), SHARE=rng.choice([0, 50000, 500000]))
    elif what == 1:
        nl.change(DEV, ORDERING=rng.randrange(8))
    elif what == 2:
        subprocess.run(["tc", "qdisc", "replace", "dev", DEV, "root", "handle", "2:", "pfifo"], check=False)
        nl.qdisc(DEV, flags=CREATE | REPLACE, RATE=rng.choice([0, 100 * SLOW]))
    elif what == 3:
        child = rng.choice(["pfifo", "fq_codel", "netem"])
        subprocess.run(["tc", "qdisc", "replace", "dev", DEV, "parent", "1:ffff", child], check=False,
                       stderr=subprocess.DEVNULL)
    elif what == 4:
        nl.dump(GETTCLASS, "class", DEV)
    elif what < 9:
        nl.delete_class(DEV, rng.randint(1, MINORS))
    else:
        nl.set_class(DEV, rng.randint(1, MINORS), **random_class(rng))


def changes(count):
    """Under full load; then the books of what is left are right."""
    rng, done = random.Random(4), 0
    device()
    try:
        nl = Rtnl()
        nl.qdisc(DEV, RATE=100 * SLOW)
        with flood():
            for _ in range(count):
                with contextlib.suppress(Refused, socket.timeout):
                    meddle(nl, rng)
                    done += 1
        nl.qdisc(DEV, flags=REPLACE | CREATE, RATE=0)
        until(lambda: not waiting(nl), "empty")
        sent = check_books(nl)
        print(f"        {done} of {count} changes, {sent} packets since the last qdisc")
    finally:
        ip("link", "delete", DEV)


def junk(rng, base):
    """Not the device's number, so that only ours is hit."""
    data = bytearray(base)
    for _ in range(rng.randint(1, 3)):
        what, at = rng.randrange(3), rng.randint(8, max(8, len(data) - 1))
        if what == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif what == 1:
            del data[max(at, 20):]
        else:
            data += attr(rng.randrange(20), rng.randbytes(rng.randrange(12)))
    return bytes(data)


def right_messages(rng, index):
    qdisc = options_of("A", {"ORDERING": rng.randrange(8), "RATE": 100 * SLOW, "SHARE": 50000})
    return [(NEWTCLASS, message(index, 0x10001 + rng.randrange(MINORS), 0x10000, options=options_of("CLASS_A", random_class(rng)))),
            (NEWQDISC, message(index, 0x10000, ROOT, options=qdisc)),
            (DELTCLASS, message(index, 0x10001 + rng.randrange(MINORS))),
            (DELQDISC, message(index, 0x10000, ROOT)),
            (GETTCLASS, message(index, 0x10001 + rng.randrange(MINORS))),
            (GETQDISC, message(index, 0x10000, ROOT))]


def fuzz(count):
    """Messages that were right, and mostly are no more."""
    rng, taken = random.Random(5), 0
    device()
    try:
        nl = Rtnl()
        with flood():
            for _ in range(count):
                kind, payload = rng.choice(right_messages(rng, socket.if_nametoindex(DEV)))
                flags = rng.choice([0, 0, CREATE, CREATE | REPLACE, REPLACE])
                if kind in (GETTCLASS, GETQDISC):
                    flags = rng.choice([0, NLM_F_DUMP])
                with contextlib.suppress(Refused):
                    nl.raw(kind, 0, payload if rng.randrange(3) == 0 else junk(rng, payload), flags | NLM_F_ACK)
                    taken += 1
        print(f"        {count} messages, {taken} taken")
        expect(taken > count // 20, True, "some are taken")
    finally:
        ip("link", "delete", DEV)


def loaded(rng):
    device()
    nl = Rtnl()
    nl.qdisc(DEV, RATE=rng.choice([0, SLOW]))
    for minor in range(1, MINORS):
        with contextlib.suppress(Refused):
            nl.set_class(DEV, minor, **random_class(rng))
    return nl


def in_a_namespace(rng):
    def inside():
        loaded(rng)
        with flood(senders=1):
            time.sleep(0.2)
    ip("netns", "add", "qos-stress")
    try:
        expect(in_netns("qos-stress", inside), 0)
    finally:
        ip("netns", "delete", "qos-stress")


def ends(seconds):
    """Devices, qdiscs and namespaces that go while packets come; the module cannot."""
    rng, rounds, end = random.Random(6), 0, time.monotonic() + seconds
    while time.monotonic() < end or rounds < 4:
        rounds += 1
        if rounds % 4 == 0:
            in_a_namespace(rng)
            continue
        nl = loaded(rng)
        with flood(senders=1):
            time.sleep(0.2)
            expect(subprocess.run(["rmmod", "qos_dwcs"], check=False, stderr=subprocess.DEVNULL).returncode, 1)
            if rounds % 4 == 1:
                nl.delete_qdisc(DEV)
            elif rounds % 4 == 2:
                ip("link", "set", DEV, "down")
                ip("link", "set", DEV, "up")
            ip("link", "delete", DEV)
    print(f"        {rounds} ends")
