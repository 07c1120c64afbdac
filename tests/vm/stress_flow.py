# SPDX-License-Identifier: GPL-2.0-only
"""Abuse of rules over packets: classes that name flows come and go, contracts take flows from each other and
let them go, programs set their rates, and messages are damaged, all while packets come as fast as they can.
stress_module.py runs it; the kernel must not complain, and the books must be right.
"""
import contextlib
import random
import socket

# pylint: disable=missing-function-docstring
from genl import N, Netlink, pack
from lab_test import MS, Refused, contract, expect, until
from qdisc_world import DEV, SLOW, check_books, device, ip, waiting
from rtnl import CREATE, REPLACE, Rtnl
from stress_qdisc import MINORS, flood, junk, random_class
from test_extensions import build, rules, seen

FLOWS, MBIT, NET_RATE = 6, 1000000, 2
CONTRACTS = "ab"


def random_flow(rng, index):
    base = rng.choice([1, MBIT, 1000 * MBIT, N["FLOW_RATE_MAX"]])
    flow = {"ID": rng.randint(1, FLOWS), "INDEX": index, "BASE": base, "LOWEST": max(base // 1000, 1),
            "HIGHEST": base, **{hook: rng.randrange(2) for hook in ("LATE", "DROP", "WINDOW")}}
    if rng.randrange(4) == 0:
        flow["RATE"] = rng.randint(1, base)
    if rng.randrange(4) == 0:
        flow["RESERVED"] = rng.randint(1, base)
    if rng.randrange(8) == 0:
        flow["HELD"] = 1
    return flow


def random_rules(rng):
    indices = rng.sample(range(8), rng.randint(0, FLOWS))
    return {"CONTRACT": rng.choice(CONTRACTS), "NUMBER": rng.choice([0, 1, 2]), "SIGNALS": 1,
            "FLOW": [random_flow(rng, index) for index in indices]}


def random_class_with_flow(rng):
    return {**random_class(rng), "FLOW": rng.randint(0, FLOWS), "EXCESS": rng.randrange(8) // 7}


def ask(nl, rng):
    return nl.get("RULES_ASK", "RULES", CONTRACT=rng.choice(CONTRACTS), ATTRIBUTE=NET_RATE << 16 | rng.randrange(9),
                  VALUE=rng.choice([0, 1, MBIT, rng.randrange(1000 * MBIT)]))


def fuzz(nl, rng):
    """A RULES_SET that was right; what names a contract alone would be no abuse."""
    payload = pack("RULES", random_rules(rng))
    nl.raw(nl.family, N["CMD_RULES_SET"], junk(rng, payload), 4)


def rules_for_all(nl):
    """Of one contract, on every flow."""
    for name in CONTRACTS:
        contract(nl, name)
    flows = [{"ID": i + 1, "INDEX": i, "BASE": 1000 * MBIT, "LOWEST": 1, "LATE": 1, "DROP": 1, "WINDOW": 1}
             for i in range(FLOWS)]
    nl.set("RULES_SET", "RULES", CONTRACT=CONTRACTS[0], NUMBER=1, FLOW=flows)


def qdisc_anew(tc, rate):
    tc.qdisc(DEV, flags=CREATE | REPLACE, RATE=rate)
    for minor in range(1, MINORS + 1):
        tc.set_class(DEV, minor, PACKET=1500, PERIOD=MS, X=1, Y=2, LIMIT=2, LATE=minor % 2, FLOW=minor % FLOWS + 1)


def meddle(nl, tc, loaded, rng):
    what = rng.randrange(40)
    if what < 10:
        nl.set("RULES_SET", "RULES", **random_rules(rng))
    elif what < 16:
        fuzz(nl, rng)
    elif what == 16:
        nl.set("CONTRACT_DELETE", "CONTRACT", NAME=rng.choice(CONTRACTS))
    elif what < 20:
        rules_for_all(nl)
    elif what == 20:
        tc.delete_qdisc(DEV)
        qdisc_anew(tc, rng.choice([0, 100 * SLOW]))
    elif what < 24:
        loaded.ask(f"ask {NET_RATE << 16 | rng.randrange(8)} {rng.randrange(1000 * MBIT)}")
    elif what < 28:
        ask(nl, rng)
    elif what < 30:
        tc.delete_class(DEV, rng.randint(1, MINORS))
    else:
        tc.set_class(DEV, rng.randint(1, MINORS), **random_class_with_flow(rng))


def changes(count):
    rng, done = random.Random(8), 0
    build()
    device()
    try:
        nl, tc = Netlink(), Rtnl()
        qdisc_anew(tc, 100 * SLOW)
        with rules("ask") as loaded:
            rules_for_all(nl)
            with flood():
                until(lambda: seen(loaded)["runs"], "events")
                for _ in range(count):
                    with contextlib.suppress(Refused, socket.timeout):
                        meddle(nl, tc, loaded, rng)
                        done += 1
            runs = seen(loaded)["runs"]
        tc.qdisc(DEV, flags=REPLACE | CREATE, RATE=0)
        until(lambda: not waiting(tc), "empty", 60)
        sent = check_books(tc)
        print(f"        {done} of {count} changes, {runs} events, {sent} packets since the last qdisc")
        expect(done > count // 3, True, "most are taken")
    finally:
        ip("link", "delete", DEV)
