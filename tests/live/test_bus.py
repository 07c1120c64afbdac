#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The private socket against clients that do not behave."""

import json
import os
import resource
import socket
import struct
import subprocess
import time
import unittest

from contracts import contract
from instance import QOSCTL, Instance, main


def connect(qosd):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(qosd.socket)
    return client


def text(value):
    return struct.pack("<I", len(value)) + value.encode() + b"\0"


def pad(data, to):
    return data + b"\0" * (-len(data) % to)


def report_call(serial):
    """One call of Report("list", ""), as bytes of the D-Bus protocol."""
    body = pad(text("list"), 4) + text("")
    fields = b""
    for code, kind, value in ((1, "o", "/org/qosd1"), (2, "s", "org.qosd1.Manager"),
                              (3, "s", "Report")):
        fields = pad(pad(fields, 8) + bytes([code, 1]) + kind.encode() + b"\0", 4) + text(value)
    fields = pad(fields, 8) + bytes([8, 1]) + b"g\0" + b"\x02ss\0"
    return pad(b"l\1\0\1" + struct.pack("<III", len(body), serial, len(fields)) + fields, 8) + body


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


class Socket(unittest.TestCase):
    """Nobody can make the daemon hold ever more, or spin."""

    def test_who_does_not_read_is_cut_off(self):
        with Instance() as qosd:
            for i in range(20):
                qosd.write(f"c{i}", contract(f"c{i}"))
            qosd.start()
            with connect(qosd) as client:
                client.sendall(b"\0AUTH ANONYMOUS\r\nBEGIN\r\n")
                self.assertTrue(client.recv(100))
                end, serial = time.monotonic() + 10, 0
                with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                    while time.monotonic() < end:
                        serial += 1
                        client.sendall(report_call(serial))
            self.assertEqual(qosd.json("status")["counts"]["contracts"], 20)

    def test_events_are_followed(self):
        with Instance() as qosd:
            qosd.write("past", contract("past"))
            qosd.start()
            follower = qosd.run(QOSCTL, "--socket", qosd.socket, "--json", "events", "--follow",
                                stdout=subprocess.PIPE)
            self.assertEqual(json.loads(follower.stdout.readline())["contract"], "past")
            qosd.write("coming", contract("coming"))
            qosd.json("reload")
            event = json.loads(follower.stdout.readline())
            self.assertEqual((event["contract"], event["kind"]), ("coming", "in-force"))
            qosd.stop()
            follower.wait(10)
            self.assertEqual(follower.returncode, 3)

    def test_no_descriptor_is_taken(self):
        """A byte can bring hundreds of them, and sd-bus would keep them until the message is complete."""
        with Instance() as qosd, open(os.devnull, "rb") as null:
            qosd.start()
            before = open_files(qosd.daemon.pid)
            with connect(qosd) as client:
                client.sendall(b"\0AUTH ANONYMOUS\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
                said = b""
                while said.count(b"\r\n") < 2:
                    said += client.recv(100)
                self.assertIn(b"\r\nERROR", said)
                with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                    for byte in report_call(1)[:-1]:
                        socket.send_fds(client, [bytes([byte])], [null.fileno()] * 250)
                        qosd.json("status")
                        self.assertLess(open_files(qosd.daemon.pid), before + 10)

    def test_no_descriptor_left(self):
        with Instance() as qosd:
            qosd.start()
            pid = qosd.daemon.pid
            limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            used = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd")) + 1
            free = set(range(used)) - {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, limits[1]))
            clients = [connect(qosd) for _ in range(len(free) + 1)]
            self.assertEqual(clients[-1].recv(1), b"")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
            for client in clients:
                client.close()
            self.assertEqual(qosd.json("status")["state"], "ok")


main()
