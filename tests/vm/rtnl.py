# SPDX-License-Identifier: GPL-2.0-only
"""Qdiscs and classes over rtnetlink without a library: just enough to drive the qdisc dwcs, also with
messages that are wrong. Numbers and layouts are read from kmod/uapi/qos_sch_dwcs.h.
"""
import os
import re
import socket
import struct

# pylint: disable=missing-function-docstring
from genl import (ADD_MEMBERSHIP, NLA_F_NESTED, NLM_F_ACK, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, SOL_NETLINK,
                  TOP, Netlink, attr, enums, netlink_socket, split, text_of)

HEADER = os.path.join(TOP, "kmod", "uapi", "qos_sch_dwcs.h")
N = enums([HEADER], "QOS_SCH_DWCS_")

NETLINK_ROUTE, RTNLGRP_TC = 0, 4
NEWQDISC, DELQDISC, GETQDISC, NEWTCLASS, DELTCLASS, GETTCLASS = 36, 37, 38, 40, 41, 42
CREATE, REPLACE = 0x400, 0x100
ROOT, REST = 0xffffffff, 0xffff
TCA_KIND, TCA_OPTIONS, TCA_STATS2 = 1, 2, 7
BASIC, QUEUE, APP, PKT64 = 1, 3, 4, 8
U64 = ("RATE", "PERIOD", "DEADLINE")


def layout(name):
    """[(member, how many or None, struct's letter)] of a struct of the header."""
    body = re.search(rf"struct {name} {{(.*?)}};", text_of(HEADER), flags=re.S).group(1)
    rows = re.findall(r"__u(32|64) (\w+)(\[\w+\])?;", body)
    buckets = 2 + ((36 - 10) << 3)
    return [(member, buckets if array else None, {"32": "I", "64": "Q"}[bits])
            for bits, member, array in rows]


LAYOUTS = {"qdisc": layout("qos_sch_dwcs_stats"), "class": layout("qos_sch_dwcs_class_stats")}


def unpack_stats(what, data):
    out, at = {}, 0
    for member, count, letter in LAYOUTS[what]:
        form = f"={count or 1}{letter}"
        values = struct.unpack_from(form, data, at)
        out[member] = values if count else values[0]
        at += struct.calcsize(form)
    return out


def options_of(space, values):
    out = b""
    for name, value in values.items():
        payload = value if isinstance(value, bytes) else struct.pack("=Q" if name in U64 else "=I", value)
        out += attr(N[f"{space}_{name}"], payload)
    return attr(TCA_OPTIONS | NLA_F_NESTED, out)


NAMES = {space: {n: key[len(space) + 1:] for key, n in N.items()
                 if key.startswith(space + "_") and not key.endswith("_MAX")}
         for space in ("A", "CLASS_A")}


def read_options(space, data):
    out = {}
    for number, payload in split(data):
        name = NAMES[space].get(number)
        if name != "PAD":
            out[name] = struct.unpack("=Q" if name in U64 else "=I", payload)[0]
    return out


def message(ifindex, handle=0, parent=0, kind="dwcs", options=b""):
    return (struct.pack("=BxxxiIII", 0, ifindex, handle, parent, 0) +
            attr(TCA_KIND, kind.encode() + b"\0") + options)


def read(what, body):
    """One qdisc or class."""
    _, ifindex, handle, parent, info = struct.unpack_from("=BxxxiIII", body)
    fields = dict(split(body[20:]))
    out = {"ifindex": ifindex, "handle": handle, "parent": parent, "info": info,
           "kind": fields.get(TCA_KIND, b"").rstrip(b"\0").decode()}
    if out["kind"] != "dwcs":
        return out
    space = "A" if what == "qdisc" else "CLASS_A"
    out["options"] = read_options(space, fields.get(TCA_OPTIONS, b""))
    stats = dict(split(fields.get(TCA_STATS2, b"")))
    if BASIC in stats:
        out["bytes"], out["packets"] = struct.unpack_from("=QI", stats[BASIC])
    if QUEUE in stats:
        out["qlen"], out["backlog"], out["drops"], _, out["overlimits"] = struct.unpack("=5I", stats[QUEUE])
    if APP in stats:
        out.update(unpack_stats(what, stats[APP]))
    return out


class Rtnl(Netlink):
    """Of the network namespace that the caller is in. Errors are genl.Refused."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.sock = netlink_socket(NETLINK_ROUTE)
        self.seq = 0
        self.interrupted = False

    def send(self, family, cmd, payload, flags):
        """`family`: the message's type; there is no command."""
        self.seq += 1
        self.sock.send(struct.pack("=IHHII", 16 + len(payload), family, NLM_F_REQUEST | flags, self.seq, 0) + payload)

    def do(self, kind, payload, flags=0):
        return self.raw(kind, 0, payload, NLM_F_ACK | flags)

    def qdisc(self, dev, handle=1, parent=ROOT, flags=CREATE | NLM_F_EXCL, **options):
        index = socket.if_nametoindex(dev)
        self.do(NEWQDISC, message(index, handle << 16, parent, options=options_of("A", options)), flags)

    def change(self, dev, handle=1, **options):
        self.qdisc(dev, handle, flags=0, **options)

    def delete_qdisc(self, dev, handle=1, parent=ROOT):
        self.do(DELQDISC, message(socket.if_nametoindex(dev), handle << 16, parent))

    def set_class(self, dev, minor, handle=1, flags=CREATE, **options):
        index = socket.if_nametoindex(dev)
        self.do(NEWTCLASS, message(index, handle << 16 | minor, handle << 16,
                                   options=options_of("CLASS_A", options)), flags)

    def delete_class(self, dev, minor, handle=1):
        self.do(DELTCLASS, message(socket.if_nametoindex(dev), handle << 16 | minor))

    def dump(self, kind, what, dev):
        payload = struct.pack("=BxxxiIII", 0, socket.if_nametoindex(dev), 0, 0, 0)
        return [read(what, body) for body in self.raw(kind, 0, payload, NLM_F_DUMP)]

    def qdiscs(self, dev):
        index = socket.if_nametoindex(dev)
        return [q for q in self.dump(GETQDISC, "qdisc", dev) if q["ifindex"] == index]

    def get(self, dev, handle=1):
        return next(q for q in self.qdiscs(dev) if q["handle"] == handle << 16)

    def classes(self, dev, handle=1):
        """minor -> class, the default one too"""
        return {c["handle"] & 0xffff: c for c in self.dump(GETTCLASS, "class", dev)
                if c["handle"] >> 16 == handle}

    def listen(self):
        self.sock.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, RTNLGRP_TC)

    def last_words(self, handle=1, timeout=20):
        """The statistics with which a qdisc was deleted."""
        self.sock.settimeout(timeout)
        while True:
            for kind, _, _, body in self.messages():
                said = read("qdisc", body) if kind == DELQDISC else {}
                if said.get("handle") == handle << 16:
                    return said
