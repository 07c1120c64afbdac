# SPDX-License-Identifier: GPL-2.0-only
"""The D-Bus protocol by hand, so that a test can send what no library would."""

import os
import socket
import struct


def pad(data, to):
    return data + b"\0" * (-len(data) % to)


def text(value):
    return struct.pack("<I", len(value)) + value.encode() + b"\0"


def body_of(signature, args):
    """Arguments of basic types; bytes are taken as they are, as the rest of the body."""
    body, types = b"", iter(signature)
    for arg in args:
        if isinstance(arg, bytes):
            return body + arg
        kind = next(types)
        if kind in "sog":
            body = pad(body, 4) + text(arg)
        elif kind in "ub":
            body = pad(body, 4) + struct.pack("<I", arg)
        else:
            body = pad(body, 8) + struct.pack("<Q", arg)
    return body


# pylint: disable=too-many-arguments,too-many-positional-arguments
def message(serial, interface, member, signature="", body=b"", path="/org/qosd1", destination=None, kind=1,
            fds=0):
    """One message as bytes."""
    fields = bytes([9, 1]) + b"u\0" + struct.pack("<I", fds) if fds else b""
    for code, mark, value in ((1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", destination)):
        if value is not None:
            fields = pad(pad(fields, 8) + bytes([code, 1]) + mark.encode() + b"\0", 4) + text(value)
    if signature:
        sign = signature.encode()
        fields = pad(fields, 8) + bytes([8, 1]) + b"g\0" + bytes([len(sign)]) + sign + b"\0"
    head = b"l" + bytes([kind, 0, 1]) + struct.pack("<III", len(body), serial, len(fields))
    return pad(head + fields, 8) + body


class Peer:
    """A connection as some user; made as root, with that user's ids for as long as it takes to connect."""

    def __init__(self, path, uid=0, gid=0, bus=False, fds=False):
        self.serial = 0
        self.agreed = False  # to take descriptors
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.groups = os.getgroups()
        os.setgroups([])
        os.setegid(gid)
        os.seteuid(uid)
        try:
            self.socket.connect(path)
            self.socket.sendall(b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\n")
            said = self.socket.recv(200)
            if not said.startswith(b"OK"):
                raise OSError(f"refused: {said}")
            if fds:
                self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
                self.agreed = self.socket.recv(200).startswith(b"AGREE")
            self.socket.sendall(b"BEGIN\r\n")
        finally:
            os.seteuid(0)
            os.setegid(0)
            os.setgroups(self.groups)
        if bus:
            self.call("org.freedesktop.DBus", "Hello", path="/org/freedesktop/DBus",
                      destination="org.freedesktop.DBus")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            if not more:
                raise ConnectionResetError
            data += more
        return data

    def read(self):
        """(type, serial of the call or 0, name of the error or None, body)."""
        head = self.receive(16)
        size, _, fields = struct.unpack("<III", head[4:16])
        fields = self.receive(fields + (-fields % 8))
        answered, error, at = 0, None, 0
        while at + 4 <= len(fields) and fields[at]:
            code, kind = fields[at], chr(fields[at + 2])
            at += 4
            length = struct.unpack("<I", fields[at:at + 4])[0] if kind != "g" else fields[at]
            if code == 5:
                answered = length
            if code == 4:
                error = fields[at + 4:at + 4 + length].decode()
            at += {"u": 4, "g": length + 2}.get(kind, length + 5)
            at += -at % 8
        return head[1], answered, error, self.receive(size)

    def call(self, interface, member, signature="", *args, **where):
        """(name of the error or None, body) of the answer; signals in between are dropped."""
        self.serial += 1
        self.send(message(self.serial, interface, member, signature, body_of(signature, args), **where))
        while True:
            kind, answered, error, body = self.read()
            if kind in (2, 3) and answered == self.serial:
                return error, body
