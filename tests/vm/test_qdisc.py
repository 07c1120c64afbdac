#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The qdisc dwcs in a kernel of the lab: what is configured, refused, shown, sent first, dropped and counted.
In virtual time, since much of it judges times.

    ./dev kmod rt && ./dev vm rt --virtual-time --shift 3 -- python3 -B tests/vm/test_qdisc.py [NAME]...
"""
import os
import random
import socket
import subprocess
import sys
import time

# pylint: disable=missing-function-docstring
from genl import attr
from lab_test import MS, Refused, chosen, expect, load, refused, run, unload, until
from qdisc_world import (DEV, SLOW, Sender, Tap, check_books, device, fill, in_netns, ip, link, sent_of, settled,
                         tc, waiting)
from rtnl import CREATE, N, NEWTCLASS, REPLACE, REST, Rtnl, message, options_of

LATE_SEND = N["LATE_SEND"]
UDP_SEGMENT = 103


# --- configuration ---

def test_defaults():
    with link() as nl:
        q = nl.get(DEV)
        expect(q["options"], {"ORDERING": N["ORDERING_FIN"], "RATE": 0, "OVERHEAD": 0, "SHARE": 50000,
                              "MAJOR": 1, "CLASSES": 0})
        nl.set_class(DEV, 5, PACKET=1500, RATE=1500000)
        c = nl.classes(DEV)[5]
        expect(c["options"], {"RATE": 1500000, "PACKET": 1500, "PERIOD": 0, "DEADLINE": 0, "X": 0, "Y": 0,
                              "LATE": N["LATE_DROP"], "LIMIT": 200, "EXCESS": 0, "FLOW": 0})
        expect((c["period_ns"], c["deadline_ns"], c["k"], c["m"]), (MS, MS, 1, 1))
        nl.set_class(DEV, 6, PACKET=1000, RATE=3)
        expect(nl.classes(DEV)[6]["period_ns"], 333333333334)


def test_change_keeps_the_rest():
    with link(ORDERING=N["ORDERING_EDF"], RATE=10 ** 9, OVERHEAD=24, SHARE=0, MAJOR=7) as nl:
        given = {"RATE": 0, "PACKET": 1400, "PERIOD": MS, "DEADLINE": MS // 2, "X": 2, "Y": 100, "LATE": 1, "LIMIT": 9,
                 "EXCESS": 1, "FLOW": 7}
        nl.set_class(DEV, 0xfffe, **given)
        expect(nl.classes(DEV)[0xfffe]["options"], given)
        nl.set_class(DEV, 0xfffe, flags=0, DEADLINE=0, LIMIT=10)
        expect(nl.classes(DEV)[0xfffe]["options"], {**given, "DEADLINE": 0, "LIMIT": 10})
        expect(nl.classes(DEV)[0xfffe]["deadline_ns"], MS)
        nl.change(DEV, SHARE=7)
        expect(nl.get(DEV)["options"], {"ORDERING": N["ORDERING_EDF"], "RATE": 10 ** 9, "OVERHEAD": 24, "SHARE": 7,
                                        "MAJOR": 7, "CLASSES": 1})
        nl.delete_class(DEV, 0xfffe)
        expect(list(nl.classes(DEV)), [REST])


QDISC_REFUSALS = [
    ({"ORDERING": 8}, "range"), ({"SHARE": 500001}, "range"), ({"RATE": N["RATE_MAX"] + 1}, "range"),
    ({"OVERHEAD": 257}, "range"), ({"MAJOR": 0}, "range"), ({"CLASSES": 1}, ""), ({"RATE": b"\0" * 4}, ""),
    ({"RATE": 1000}, "takes too long at this rate"),
]
CLASS_REFUSALS = [
    ({"RATE": 10}, "longest packet"), ({"PACKET": 10}, "a rate or a period"),
    ({"PACKET": 1000, "PERIOD": 999}, "shorter than 1 us"),
    ({"PACKET": 1000, "RATE": 10 ** 6 - 1000, "PERIOD": MS}, "below a packet a period"),
    ({"PACKET": 1, "RATE": 2 * 10 ** 9}, "each microsecond"), ({"PACKET": 60000, "RATE": 1}, "each 500 s"),
    ({"PACKET": 1000, "PERIOD": MS // 10, "DEADLINE": MS}, "longer than its period at the rate"),
    ({"PACKET": 1000, "PERIOD": MS, "DEADLINE": 10 ** 5}, "at the rate of the link"),
    ({"PACKET": 1000, "PERIOD": MS, "X": 2, "Y": 1}, "more often than it is long"),
    ({"PACKET": 0, "PERIOD": MS}, "range"), ({"PACKET": 65537, "PERIOD": MS}, "range"),
    ({"PACKET": 1000, "PERIOD": N["PERIOD_MAX_NS"] + 1}, "range"), ({"PACKET": 1000, "PERIOD": MS, "Y": 1001}, "range"),
    ({"PACKET": 1000, "PERIOD": MS, "LIMIT": 0}, "range"), ({"PACKET": 1000, "PERIOD": MS, "LATE": 2}, "range"),
    ({"PACKET": b"\1", "PERIOD": MS}, ""),
]


def test_refusals():
    with link(RATE=10 ** 7) as nl:
        nl.set_class(DEV, 1, PACKET=1000, PERIOD=MS, DEADLINE=MS // 2)
        before = nl.get(DEV)["options"], nl.classes(DEV)[1]["options"]
        for options, words in QDISC_REFUSALS:
            refused(words, nl.change, DEV, **options)
        for options, words in CLASS_REFUSALS:
            refused(words, nl.set_class, DEV, 2, **options)
        for options, words in (r for r in CLASS_REFUSALS if "PERIOD" in r[0]):
            refused(words, nl.set_class, DEV, 1, flags=0, **options)
        good = {"PACKET": 1000, "PERIOD": MS}
        refused("default class", nl.set_class, DEV, REST, flags=REPLACE, **good)
        refused("cannot be deleted", nl.delete_class, DEV, REST)
        refused("", nl.delete_class, DEV, 77)
        index = socket.if_nametoindex(DEV)
        for parent, options, words in ((0x10001, options_of("CLASS_A", good), "directly below"),
                                       (0x10000, b"", "needs options"),
                                       (0x10000, options_of("CLASS_A", good) + attr(5, b"\0" * 8), "")):
            refused(words, nl.do, NEWTCLASS, message(index, 0x10009, parent, options=options), CREATE)
        unknown = options_of("CLASS_A", good)[4:] + attr(99, b"\0\0\0\0")
        refused("", nl.do, NEWTCLASS, message(index, 0x10009, 0x10000, options=attr(0x8002, unknown)), CREATE)
        expect((nl.get(DEV)["options"], nl.classes(DEV)[1]["options"]), before)
        expect(list(nl.classes(DEV)), [1, REST])


def test_ten_thousand_classes():
    with link() as nl:
        for minor in range(1, 10001):
            nl.set_class(DEV, minor, PACKET=1500, PERIOD=10 * MS, X=1, Y=10)
        refused("as many classes as it may", nl.set_class, DEV, 10001, PACKET=1500, PERIOD=MS)
        expect(sorted(nl.classes(DEV)), [*range(1, 10001), REST])
        sender = Sender()
        for minor in (1, 5000, 10000, 10001):
            sender.send(minor)
        expect(set(counts(nl)), {1, 5000, 10000, REST})


# --- to which class ---

def counts(nl):
    return {m: c["packets"] for m, c in settled(nl).items() if c["packets"]}


def test_classification():
    with link() as nl:
        for minor in (5, 6, 7):
            nl.set_class(DEV, minor, PACKET=1500, PERIOD=MS)
        sender = Sender()
        sender.send(5)
        sender.send(8)
        sender.send(6, handle=2)
        expect(counts(nl), {5: 1, REST: 2}, "by priority")
        nl.change(DEV, MAJOR=2)
        sender.send(6, handle=2)
        sender.send(5)
        expect(counts(nl), {5: 1, 6: 1, REST: 3}, "by MAJOR")
        tc("filter", "add", "dev", DEV, "parent", "1:", "protocol", "all", "matchall", "classid", "1:7")
        sender.send(5)
        sender.send(6, handle=2)
        expect(counts(nl), {5: 1, 6: 2, 7: 1, REST: 3}, "by a filter")
        nl.delete_class(DEV, 7)
        sender.send(5)
        expect(counts(nl), {5: 1, 6: 2, REST: 4}, "a filter's class that is gone")
        tc("filter", "replace", "dev", DEV, "parent", "1:", "protocol", "all", "pref", "1", "matchall", "action", "drop")
        before = nl.get(DEV)
        sender.send(5)
        after = nl.get(DEV)
        expect((after["dropped_filter"], after["drops"] - before["drops"]), (1, 1), "a filter that drops")


def test_classification_by_clsact():
    with link() as nl:
        nl.set_class(DEV, 5, PACKET=1500, PERIOD=MS)
        nl.set_class(DEV, 6, PACKET=1500, PERIOD=MS)
        tc("qdisc", "add", "dev", DEV, "clsact")
        rule = ["filter", "replace", "dev", DEV, "egress", "protocol", "all", "pref", "1", "handle", "1", "matchall"]
        tc(*rule, "action", "skbedit", "priority", "1:5")
        sender = Sender()
        sender.send(99)
        expect(counts(nl), {5: 1}, "by the priority that it sets")
        tc("filter", "delete", "dev", DEV, "egress")
        tc(*rule, "classid", "1:6", "action", "pass")
        sender.send(99)
        sender.send(5)
        expect(counts(nl), {5: 2, 6: 1}, "by its class id, behind a priority")


# --- who is sent first ---

def test_order():
    """The device is busy with a first packet while the others come."""
    for ordering in ("EDF", "DWCS", "DWCS_SKIP", "DWCS_WINDOW", "VDS", "VDS_SKIP", "FIN", "FIN_GUARD"):
        with link(RATE=SLOW // 10, SHARE=0, ORDERING=N[f"ORDERING_{ordering}"]) as nl:
            nl.set_class(DEV, 1, PACKET=1000, PERIOD=4000 * MS, DEADLINE=3000 * MS)
            nl.set_class(DEV, 2, PACKET=1000, PERIOD=4000 * MS, DEADLINE=1000 * MS)
            nl.set_class(DEV, 3, PACKET=1000, PERIOD=4000 * MS, DEADLINE=2000 * MS)
            tap, sender = Tap(), Sender()
            for minor in (REST, REST, 1, 2, 3, 3):
                sender.send(minor)
            expect([m for m, _ in tap.take(6)], [REST, 2, 3, 1, REST, 3], ordering)
            expect([(c["served"], c["ahead"]) for m, c in nl.classes(DEV).items() if m != REST],
                   [(1, 0), (1, 0), (1, 1)], ordering)


def test_window_decides():
    """The one whose window allows no loss any more goes before the one that has an earlier deadline."""
    with link(RATE=SLOW // 10, SHARE=0, ORDERING=N["ORDERING_DWCS_WINDOW"]) as nl:
        nl.set_class(DEV, 1, PACKET=1000, PERIOD=4000 * MS, DEADLINE=900 * MS, X=1, Y=2)
        nl.set_class(DEV, 2, PACKET=1000, PERIOD=4000 * MS, DEADLINE=950 * MS, X=0, Y=2)
        tap, sender = Tap(), Sender()
        for minor in (REST, 1, 2):
            sender.send(minor)
        expect([m for m, _ in tap.take(3)], [REST, 2, 1])


def test_late_drop():
    """Both are due before the link is free again; one class drops, the other sends late."""
    with link(RATE=SLOW, SHARE=0) as nl:
        late = {"PACKET": 1000, "PERIOD": 40 * MS, "DEADLINE": 20 * MS, "X": 0, "Y": 1}
        nl.set_class(DEV, 1, **late)
        nl.set_class(DEV, 2, LATE=LATE_SEND, **late)
        tap, sender = Tap(), Sender()
        sender.send(REST, 10000)
        for minor in (1, 1, 2):
            sender.send(minor)
        expect([m for m, _ in tap.take(2)], [REST, 2])
        c = settled(nl)
        expect((c[1]["dropped_late"] >= 1, c[1]["lost"], c[1]["violations"]), (True, c[1]["dropped_late"], c[1]["lost"]))
        expect((c[2]["packets"], c[2]["late"], c[2]["violations"] >= 1), (1, 1, True))
        check_books(nl)


def test_limit():
    with link(RATE=SLOW, SHARE=0) as nl:
        nl.set_class(DEV, 1, PACKET=1000, PERIOD=4000 * MS, LIMIT=5)
        sender = Sender()
        sender.send(REST, 20000)
        fill(sender, [1], 8)
        c = nl.classes(DEV)[1]
        expect((c["qlen"], c["dropped_limit"], c["drops"], c["backlog"], sender.refused), (5, 3, 3, 5000, 3))
        nl.set_class(DEV, 1, flags=0, LIMIT=2)
        expect(nl.classes(DEV)[1]["qlen"], 5, "a change keeps what waits")
        fill(sender, [1], 1)
        expect(nl.classes(DEV)[1]["dropped_limit"], 4)
        settled(nl)
        check_books(nl)


def test_default_class_has_its_share():
    """Against streams that have more requests than the link can send, while all have packets."""
    with link(RATE=SLOW, SHARE=200000) as nl:
        for minor in (1, 2, 3):
            nl.set_class(DEV, minor, PACKET=1000, PERIOD=20 * MS, LATE=LATE_SEND, LIMIT=2000)
        fill(Sender(), [1, 2, 3, REST], 300)
        before = nl.classes(DEV)
        until(lambda: nl.get(DEV)["packets"] > 150 + sum(c["packets"] for c in before.values()), "150 packets")
        after = nl.classes(DEV)
        sent = {m: c["packets"] - before[m]["packets"] for m, c in after.items()}
        expect(all(c["qlen"] for m, c in after.items()), True, "all have packets")
        share = sent[REST] / sum(sent.values())
        if not 0.19 <= share < 0.21:
            raise AssertionError(f"the default class got {share:.1%}")
        expect(nl.get(DEV)["share_turns"] > 25, True, "turns")


def test_nothing_waits_while_the_link_is_idle():
    """Far more than the grid releases is sent at once, and leaves no debt."""
    with link() as nl:
        nl.set_class(DEV, 1, PACKET=1500, PERIOD=1000 * MS, X=0, Y=1)
        sender = Sender()
        fill(sender, [1], 50)
        c = settled(nl)[1]
        expect((c["packets"], c["qlen"], c["served"] + c["ahead"], c["violations"]), (50, 0, 50, 0))


def test_deadline_beyond_the_period():
    """A burst, each packet of which may find a long one of others on the link: with D = T that is too late."""
    for deadline, violated in ((0, True), (1000 * MS, False)):
        with link(RATE=SLOW, SHARE=0) as nl:
            nl.set_class(DEV, 1, PACKET=1000, PERIOD=15 * MS, DEADLINE=deadline, X=0, Y=1, LATE=1)
            sender = Sender()
            fill(sender, [REST], 60, 1500)
            fill(sender, [1], 30)
            c = settled(nl)[1]
            expect((c["packets"], c["violations"] > 0), (30, violated), deadline)


def test_pace():
    """100 packets of 1000 bytes and 24 more at 1 MB/s, 10 ms short of which nothing is waited for."""
    with link(RATE=10 * SLOW, OVERHEAD=24) as nl:
        sender, tap = Sender(), Tap()
        begin = time.monotonic()
        fill(sender, [REST], 101)
        tap.take(101)
        took = time.monotonic() - begin
        if not 0.1023 <= took < 1:
            raise AssertionError(f"{took * 1000:.1f} ms")
        expect(nl.get(DEV)["timers"] > 20, True, "timers")


HOG = "import os, time; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(45)); end = time.monotonic() + 0.5\n"


def test_pace_under_a_real_time_hog():
    """A thread of the band takes a whole CPU; the kernel's own timers of qdiscs would wait for its end. It
    ends by itself, since whoever would stop it might wait too."""
    with link(RATE=10 * SLOW) as nl:
        sender, tap = Sender(), Tap()
        fill(sender, [REST], 600)
        begin = time.monotonic()
        subprocess.run([sys.executable, "-c", HOG + "while time.monotonic() < end:\n    pass"], check=True)
        during = nl.get(DEV)["packets"] / (time.monotonic() - begin)
        tap.take(600, 20)
        late = nl.get(DEV)["timer_late_ns"]
        print(f"        {during:.0f} packets a second meanwhile; the timer was {late / 1000:.0f} us late at most")
        expect((during > 500, late < MS), (True, True), "paced meanwhile")


# --- long packets ---

def test_oversize():
    with link() as nl:
        nl.set_class(DEV, 1, PACKET=1000, PERIOD=MS)
        Sender().send(1, 1001)
        c = settled(nl)
        expect((c[1]["oversize"], c[1]["arrived"], c[REST]["packets"]), (1, 0, 1))


def test_gso():
    """A long UDP packet is split; neither more nor less than its parts is counted."""
    with link() as nl:
        nl.set_class(DEV, 1, PACKET=1100, PERIOD=MS)
        ip("address", "add", "192.0.2.1/24", "dev", DEV)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, 12, 0x10001)
            sock.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
            before = sent_of()
            sock.sendto(bytes(40000), ("192.0.2.9", 9))
        c = settled(nl)[1]
        expect((nl.get(DEV)["split"], c["arrived"], c["packets"], sent_of() - before), (1, 40, 40, 40))
        check_books(nl)


# --- nothing is lost but what is counted ---

def random_class(rng):
    period = rng.choice([4 * MS, 5 * MS, 20 * MS])
    y = rng.choice([0, 1, 10])
    return {"PACKET": 1000, "PERIOD": period, "DEADLINE": rng.choice([0, period // 2, 3 * period]), "Y": y,
            "X": rng.randint(0, y), "LATE": rng.randint(0, 1), "LIMIT": rng.choice([3, 50])}


def meddle(nl, rng):
    what = rng.randrange(8)
    if what == 0:
        nl.change(DEV, RATE=rng.choice([10, 20, 100]) * SLOW)
    elif what == 1:
        nl.change(DEV, ORDERING=rng.randrange(8))
    elif what == 2:
        minor = rng.randint(1, 8)
        if minor in nl.classes(DEV):
            nl.delete_class(DEV, minor)
    else:
        nl.set_class(DEV, rng.randint(1, 8), **random_class(rng))


def test_conservation():
    """Changes, deletions and new classes while packets come and go; then the qdisc is deleted while it is
    full. What its last message says adds up to what was sent."""
    rng, talk = random.Random(3), Rtnl()
    with link(RATE=20 * SLOW) as nl:
        talk.listen()
        sender, before = Sender(), sent_of()
        for i in range(400):
            for _ in range(rng.randint(0, 12)):
                sender.send(rng.randint(1, 9), rng.choice([100, 1000, 1200]), i)
            meddle(nl, rng)
            if i % 20 == 0:
                check_books(nl)
        nl.change(DEV, RATE=10 * SLOW)
        fill(sender, range(1, 10), 20)
        sent, left = sender.sent, waiting(nl)
        nl.delete_qdisc(DEV)
        last = talk.last_words()
        out = last["packets"] + sum(v for k, v in last.items() if k.startswith("dropped_"))
        print(f"        {sent} sent, {last['packets']} out, {last['dropped_late']} late, {left} waited at the end")
        expect((sent, sent_of() - before, left > 0), (out, last["packets"], True))
        expect((last["drops"], last["qlen"], last["backlog"]), (sent - last["packets"], 0, 0))


def test_conservation_below_another_qdisc():
    """tbf asks before it takes; what dwcs drops, tbf has to forget."""
    with link("numtxqueues", "2") as nl:
        tc("qdisc", "replace", "dev", DEV, "root", "handle", "2:", "tbf", "rate", "1mbit", "burst", "3000", "limit", "1000000")
        nl.qdisc(DEV, 1, 0x20001, CREATE | REPLACE)
        nl.set_class(DEV, 1, PACKET=1000, PERIOD=10 * MS, DEADLINE=5 * MS, Y=10, X=5, LIMIT=1000)
        sender, before = Sender(), sent_of()
        fill(sender, [1, REST], 50)
        settled(nl)
        said = tc("-s", "qdisc", "show", "dev", DEV, "root")
        expect("backlog 0b 0p" in said, True, said)
        c = nl.classes(DEV)
        expect(c[1]["dropped_late"] > 0, True, "late packets")
        expect(sent_of() - before, 100 - c[1]["dropped_late"])
        check_books(nl)


# --- others' view ---

def test_tc():
    with link() as nl:
        nl.set_class(DEV, 1, PACKET=1000, PERIOD=MS, Y=10, X=1)
        fill(Sender(), [1, REST], 3)
        settled(nl)
        said = tc("-s", "-d", "qdisc", "show", "dev", DEV)
        expect("qdisc dwcs 1: root" in said and "6000 bytes 6 pkt" in said, True, said)
        said = tc("-s", "-d", "class", "show", "dev", DEV)
        expect("class dwcs 1:1 root" in said and "class dwcs 1:ffff root" in said, True, said)
        tc("qdisc", "replace", "dev", DEV, "parent", "1:ffff", "handle", "9:", "fq_codel")
        fill(Sender(), [REST], 3)
        expect("fq_codel 9: parent 1:ffff" in tc("-s", "qdisc", "show", "dev", DEV), True)
        expect(settled(nl)[REST]["packets"], 3)
        done = subprocess.run(["tc", "qdisc", "add", "dev", DEV, "parent", "1:1", "fq_codel"], capture_output=True,
                              text=True, check=False)
        expect((done.returncode, "streams hold their packets" in done.stderr), (2, True), done.stderr)
        tc("qdisc", "delete", "dev", DEV, "parent", "1:ffff")
        tc("class", "delete", "dev", DEV, "classid", "1:1")
        tc("qdisc", "replace", "dev", DEV, "root", "handle", "3:", "pfifo")
        tc("qdisc", "replace", "dev", DEV, "root", "handle", "1:", "dwcs")
        expect(list(nl.classes(DEV)), [REST])
        tc("qdisc", "delete", "dev", DEV, "root")


def test_multiqueue():
    with link("numtxqueues", "4") as nl:
        tc("qdisc", "replace", "dev", DEV, "root", "handle", "1:", "mq")
        for queue in range(1, 5):
            nl.qdisc(DEV, 0x10 + queue, 0x10000 | queue, CREATE | REPLACE, MAJOR=0x51, RATE=SLOW * 100)
            nl.set_class(DEV, 1, 0x10 + queue, PACKET=1000, PERIOD=MS)
        sender = Sender()
        for number in range(40):
            sender.send(1, 1000, number, handle=0x51)
        until(lambda: sum(nl.classes(DEV, 0x10 + q)[1]["packets"] for q in range(1, 5)) == 40, "40 packets")
        tc("-s", "qdisc", "show", "dev", DEV)
        tc("-s", "class", "show", "dev", DEV)


# --- the end of things, while packets wait ---

def full(nl, sender=None):
    nl.set_class(DEV, 1, PACKET=1000, PERIOD=1000 * MS)
    fill(sender or Sender(), [1, REST], 100)
    expect(waiting(nl) > 100, True, "packets wait")


def test_a_rate_that_is_taken_away():
    """Nobody else sends, and the timer is gone with the rate."""
    with link(RATE=SLOW) as nl:
        full(nl)
        nl.change(DEV, RATE=0)
        settled(nl)
        check_books(nl)


def test_device_goes():
    with link(RATE=SLOW) as nl:
        full(nl)
        ip("link", "delete", DEV)


def test_device_down_and_up():
    """What waited is counted as dropped, and it goes on after."""
    with link(RATE=SLOW) as nl:
        sender = Sender()
        full(nl, sender)
        ip("link", "set", DEV, "down")
        q = nl.get(DEV)
        expect((q["qlen"], q["packets"] + q["dropped_purged"] + q["dropped_default"]), (0, 200))
        check_books(nl)
        ip("link", "set", DEV, "up")
        tap = Tap()
        Sender().send(1)
        expect(tap.take(1), [(1, 0)])


def test_namespace_goes():
    def inside():
        device()
        nl = Rtnl()
        nl.qdisc(DEV, RATE=SLOW)
        full(nl)
    load()
    ended = False
    try:
        ip("netns", "add", "qos")
        expect(in_netns("qos", inside), 0)
        expect(busy(), True, "in use by the namespace")
        ip("netns", "delete", "qos")
        ended = True
        until(lambda: not busy(), "not in use")
    finally:
        if not ended:
            ip("netns", "delete", "qos")
        unload()


def busy():
    with open("/sys/module/qos_dwcs/refcnt", encoding="ascii") as file:
        return int(file.read()) > 0


def test_removal_is_refused():
    with link() as nl:
        nl.set_class(DEV, 1, PACKET=1000, PERIOD=MS)
        done = subprocess.run(["rmmod", "qos_dwcs"], capture_output=True, text=True, check=False)
        expect((done.returncode, "in use" in done.stderr), (1, True), done.stderr)
        nl.delete_qdisc(DEV)
        unload()
        try:
            nl.qdisc(DEV)
            raise AssertionError("there is a qdisc without a module")
        except Refused:
            pass
        load()


def main():
    os.chdir("/")
    return run(chosen(globals()))


if __name__ == "__main__":
    sys.exit(main())
