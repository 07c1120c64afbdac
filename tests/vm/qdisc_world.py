# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of the qdisc share: a device that takes everything, senders, what came out."""
import contextlib
import ctypes
import errno
import os
import socket
import struct
import subprocess
import traceback

# pylint: disable=missing-function-docstring
from lab_test import load, unload, until
from rtnl import REST, Rtnl

ETHERTYPE, ETH_P_ALL = 0x88b5, 3  # local experimental
CLONE_NEWNET = 0x40000000
SO_PRIORITY, SO_SNDBUFFORCE, SO_RCVBUFFORCE = 12, 32, 33
DEV = "d0"
MS = 1000000
SLOW = 100000  # bytes a second: a packet of 1000 bytes takes 10 ms


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def tc(*words):
    """What it says; neither it nor the kernel may complain. It knows no class options of a kind that it has
    no code for, and says that."""
    done = subprocess.run(["tc", *words], check=True, capture_output=True, text=True)
    if done.stderr.replace("[cannot parse class parameters]", ""):
        raise AssertionError(f"tc {' '.join(words)}: {done.stderr}")
    return done.stdout


def device(*more, dev=DEV):
    """A dummy, which nobody else speaks to: what is sent is counted, and gone."""
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as file:
        file.write("1")
    ip("link", "add", dev, *more, "mtu", "60000", "type", "dummy")
    ip("link", "set", dev, "up")


@contextlib.contextmanager
def link(*more, unloads=True, **options):
    """The module, and a device whose root is dwcs, handle 1:, with `options`."""
    load()
    try:
        device(*more)
        nl = Rtnl()
        if not more:
            nl.qdisc(DEV, **options)
        yield nl
    finally:
        subprocess.run(["ip", "link", "delete", DEV], check=False, stderr=subprocess.DEVNULL)
        if unloads:
            unload()


def sent_of(dev=DEV):
    """Packets that the device was given."""
    with open(f"/sys/class/net/{dev}/statistics/tx_packets", encoding="ascii") as file:
        return int(file.read())


class Sender:
    """Frames into a device; `refused` counts those that a qdisc dropped at once and said so."""

    def __init__(self, dev=DEV):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sock.bind((dev, 0))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 28)
        self.priority = None
        self.sent = self.refused = 0

    def send(self, minor, length=1000, number=0, handle=1):
        priority = handle << 16 | minor
        if priority != self.priority:
            self.sock.setsockopt(socket.SOL_SOCKET, SO_PRIORITY, priority)
            self.priority = priority
        frame = b"\2\0\0\0\0\1\2\0\0\0\0\2" + struct.pack("!HIII", ETHERTYPE, minor, number, 0)
        self.sent += 1
        try:
            self.sock.send(frame + bytes(length - len(frame)))
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            self.refused += 1

    def close(self):
        self.sock.close()


class Tap:
    """The frames of senders that come out of a device, in order: (minor, number, length)."""

    def __init__(self, dev=DEV):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        self.sock.bind((dev, ETH_P_ALL))

    def next(self, timeout=10):
        self.sock.settimeout(timeout)
        while True:
            frame = self.sock.recv(65536)
            if frame[12:14] == struct.pack("!H", ETHERTYPE):
                minor, number = struct.unpack_from("!II", frame, 14)
                return minor, number, len(frame)

    def take(self, count, timeout=10):
        return [self.next(timeout)[:2] for _ in range(count)]


def waiting(nl, dev=DEV, handle=1):
    return nl.get(dev, handle)["qlen"]


def check_books(nl, handle=1, dev=DEV):
    """Each class's counters agree exactly; returns the packets of all that were sent."""
    sent = 0
    for minor, c in nl.classes(dev, handle).items():
        sent += c["packets"]
        if minor == REST:
            continue
        out = c["packets"] + c["dropped_late"] + c["dropped_limit"] + c["dropped_purged"] + c["qlen"]
        if c["arrived"] != out:
            raise AssertionError(f"class {minor:x}: {c['arrived']} arrived, {out} accounted for: "
                                 f"{ {k: v for k, v in c.items() if k != 'delay'} }")
        if sum(c["delay"]) != c["packets"]:
            raise AssertionError(f"class {minor:x}: {c['packets']} sent, {sum(c['delay'])} delays")
    return sent


def settled(nl, dev=DEV, handle=1):
    """Whoever was sending has sent all; the classes."""
    until(lambda: not waiting(nl, dev, handle), "nothing waits")
    return nl.classes(dev, handle)


def fill(sender, minors, count, length=1000):
    for i in range(count):
        for minor in minors:
            sender.send(minor, length, i)


def in_netns(name, function):
    """In a child: a namespace is left only by ending. Its exit code."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
            if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            function()
            code = 0
        except Exception:  # pylint: disable=broad-except
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
