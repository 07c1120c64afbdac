#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Random messages and floods, over the system bus and on the private socket: both programs go on, hold no
more than before, and the slow loop's period holds. QOS_SEED repeats a run, QOS_MESSAGES asks for more."""

import contextlib
import multiprocessing
import os
import random
import struct
import time
import unittest

import raw_bus
from contracts import contract, start_program
from instance import main, until
from system_bus import QOS_GID, USERS, SystemBus, own_namespace

SEED = int(os.environ.get("QOS_SEED", time.time_ns() % 1000000))
MESSAGES = int(os.environ.get("QOS_MESSAGES", "4000"))
PERIOD = 0.5  # of the slow loop
CLIENTS = 100

INTERFACES = ("org.qosd1.Manager", "org.qosd1.Gateway", "org.qosd1.Contract", "org.freedesktop.DBus.Properties",
              "org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Peer", "x.y", None)
MEMBERS = ("Report", "Events", "Series", "Explain", "Adjust", "Revert", "Readmit", "GetContract", "ListContracts",
           "Get", "GetAll", "Set", "Introspect", "Ping", "Nothing")
PATHS = ("/org/qosd1", "/org/qosd1/contract", "/org/qosd1/contract/cam", "/org/qosd1/contract/_2e_2e_2fcam", "/", "/x")
TEXTS = ("", "cam", "list", "status", "show", "cpu.runtime", "cpu.main.runtime", "org.qosd1.Contract", "State",
         "../../etc/passwd", "\x7f%n%s", "c" * 33, "x" * 5000, "1", "-1", "999999999999")
SIGNATURES = ("s", "ss", "sstt", "st", "t", "u", "usstt", "uss", "ssv", "a{sv}", "((((s))))", "av", "g", "h", "", "a(sss)")


def random_message(rng, serial, destination):
    """Mostly what a library could send, and often damaged."""
    signature = rng.choice(SIGNATURES)
    args = []
    for kind in signature:
        if kind in "sog":
            args.append(rng.choice(TEXTS))
        elif kind in "ut":
            args.append(rng.choice((0, 1, 1000, 2 ** 31, 2 ** 32 - 1)))
        else:
            args.append(rng.randbytes(rng.choice((0, 4, 8, 64, 60000))))
            break
    body = raw_bus.body_of(signature, args)
    data = bytearray(raw_bus.message(serial, rng.choice(INTERFACES), rng.choice(MEMBERS), signature, body,
                                     rng.choice(PATHS), destination, rng.choice((1, 1, 1, 1, 2, 3, 4))))
    if rng.random() < 0.3:
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
    if rng.random() < 0.05:
        del data[rng.randrange(len(data)):]
    if rng.random() < 0.02:
        data[4:8] = struct.pack("<I", rng.choice((2 ** 27 - 1, 2 ** 27 + 1, 2 ** 32 - 1)))
    return bytes(data)


def connect(path, user, destination):
    """None: refused, since there were too many of this user."""
    with contextlib.suppress(OSError):
        return raw_bus.Peer(path, USERS[user][0], QOS_GID if "qos" in USERS[user][1] else USERS[user][0],
                            bus=destination is not None)
    return None


def fuzz(path, user, destination, rng, n):
    """Sends n messages, on a new connection whenever the last one was cut; how many were sent."""
    peer, sent = None, 0
    for serial in range(1, n + 1):
        try:
            if not peer:
                peer = until("a place", lambda: connect(path, user, destination))
                peer.socket.settimeout(0.2)
            peer.send(random_message(rng, serial + 1, destination))
            sent += 1
            if rng.random() < 0.1:
                peer.socket.recv(1 << 16)
        except OSError:
            with contextlib.suppress(Exception):
                peer.socket.close()
            peer = None
    if peer:
        peer.socket.close()
    return sent


def flood(path, uid, n, end):
    """n connections that ask as fast as they can, and come back when they are cut off."""
    call = raw_bus.message(1, "org.qosd1.Manager", "Report", "ss", raw_bus.body_of("ss", ("top", "")))
    peers = [None] * n
    while time.monotonic() < end:
        for i, peer in enumerate(peers):
            try:
                if not peer:
                    peers[i] = peer = raw_bus.Peer(path, uid, QOS_GID)
                    peer.socket.settimeout(0.05)
                peer.send(call * 10)
            except OSError:
                with contextlib.suppress(Exception):
                    peer.socket.close()
                peers[i] = None


class Abuse(unittest.TestCase):
    """One daemon and one gateway for all of it, with a program under contract."""

    @classmethod
    def setUpClass(cls):
        print(f"QOS_SEED={SEED}")
        cls.bus = SystemBus()
        for name in ("cam", "other"):
            cls.bus.qosd.write(name, contract(name, top="accept: best-effort\n"))
        cls.addClassCleanup(cls.bus.__exit__)
        cls.bus.__enter__()
        start_program(cls.bus.qosd, "cam", 20, 1)
        until("jobs", lambda: cls.bus.qosd.stream("cam")["stats"]["jobs"] > 10)

    def setUp(self):
        self.turns = self.bus.metric("qosd_turns_total")
        self.violations = self.bus.qosd.stream("cam")["stats"]["violations"]
        self.began = time.monotonic()
        self.fds = {pid: self.open_files(pid) for pid in self.pids()}

    def pids(self):
        return self.bus.qosd.daemon.pid, self.bus.gateway.pid

    @staticmethod
    def open_files(pid):
        return len(os.listdir(f"/proc/{pid}/fd"))

    @staticmethod
    def resident_mib(pid):
        with open(f"/proc/{pid}/statm", encoding="utf-8") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE") / 2 ** 20

    def tearDown(self):
        """What must hold after each."""
        turns = self.bus.metric("qosd_turns_total") - self.turns
        took = time.monotonic() - self.began
        violations = self.bus.qosd.stream("cam")["stats"]["violations"] - self.violations
        longest = self.bus.metric("qosd_turn_longest_seconds")
        print(f"\n  {turns:.0f} turns in {took:.1f} s of {PERIOD} s each, longest {longest * 1000:.1f} ms; {violations} violations; " +
              ", ".join(f"{self.resident_mib(pid):.0f} MiB" for pid in self.pids()), end=" ")
        self.assertGreaterEqual(turns, took / PERIOD * 0.8 - 1)
        self.assertIsNone(self.bus.qosd.daemon.poll())
        self.assertIsNone(self.bus.gateway.poll())
        for pid, before in self.fds.items():
            until("no descriptor more", lambda pid=pid, before=before: self.open_files(pid) <= before, 15)
        self.assertLess(self.resident_mib(self.bus.gateway.pid), 48)
        time.sleep(1.1)
        self.assertIn("in-force", self.bus.call("root", "GetContract", "s", "cam"))
        self.assertEqual(self.bus.qosd.stream("cam")["runtime"]["granted_ns"], 4000000)

    def test_a_quiet_control(self):
        time.sleep(6)

    def test_fuzz_the_bus(self):
        rng = random.Random(SEED)
        for user in ("stranger", "reader"):
            sent = fuzz(self.bus.socket, user, "org.qosd1", rng, MESSAGES)
            self.assertGreater(sent, MESSAGES / 2)

    def test_fuzz_the_private_socket(self):
        rng = random.Random(SEED + 1)
        for user, n in (("reader", MESSAGES // 4), ("qosd-bus", MESSAGES)):  # a reader may send few a second
            sent = fuzz(self.bus.qosd.socket, user, None, rng, n)
            self.assertGreater(sent, n / 2)

    def test_flood_the_private_socket(self):
        end = time.monotonic() + 6
        floods = [multiprocessing.Process(target=flood, args=(self.bus.qosd.socket, USERS["reader"][0],
                                                              CLIENTS // 4, end)) for _ in range(4)]
        for process in floods:
            process.start()
        time.sleep(1)
        self.assertEqual(self.bus.qosd.json("list")["contracts"][0]["state"], "in-force")
        self.assertIn("in-force", self.bus.call("root", "GetContract", "s", "cam"))
        for process in floods:
            process.join(30)
            self.assertEqual(process.exitcode, 0)


own_namespace()
main()
