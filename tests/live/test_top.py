#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""qosctl top on a terminal of the test's own: what it shows, keys, another size, and how it ends."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unittest

from contracts import PERIODIC, PYTHON, contract
from instance import PATIENCE, QOSCTL, Instance, main, until

CONTROL = re.compile(r"\x1b\[([?>]?)([\d;]*)([@-~])|\x1b[()][0-9A-Za-z]|\x1b[=>78M]|[\x00-\x1f]|[^\x1b\x00-\x1f]+")


class Picture:
    """As much of an xterm as curses uses: a grid of characters, and a cursor."""

    def __init__(self, rows, columns):
        self.rows, self.columns, self.row, self.column = rows, columns, 0, 0
        self.grid = [[" "] * columns for _ in range(rows)]
        self.last, self.strange, self.margins = " ", [], (0, rows - 1)

    def lines(self):
        return ["".join(line).rstrip() for line in self.grid]

    def put(self, text):
        for char in text:
            if self.column == self.columns:
                self.row, self.column = min(self.row + 1, self.rows - 1), 0
            self.grid[self.row][self.column] = self.last = char
            self.column += 1

    def clear(self, row, begin, end):
        self.grid[row][begin:end] = " " * (end - begin)

    def erase(self, what, display):
        begin, end = (0, self.column + 1) if what == 1 else (self.column, self.columns)
        self.clear(self.row, 0 if what == 2 else begin, end)
        if display:
            for row in range(self.rows):
                if what == 2 or (row > self.row) == (what == 0) and row != self.row:
                    self.clear(row, 0, self.columns)

    def scroll(self, count, top=None):
        """Lines from `top` to the lower margin move up by count; down if it is negative."""
        top, bottom = self.margins[0] if top is None else top, self.margins[1]
        for _ in range(abs(count)):
            del self.grid[top if count > 0 else bottom]
            self.grid.insert(bottom if count > 0 else top, [" "] * self.columns)

    def line_feed(self, step):
        if self.row == self.margins[1 if step > 0 else 0]:
            self.scroll(step)
        else:
            self.row = min(max(self.row + step, 0), self.rows - 1)

    def control(self, final, numbers):
        first = numbers[0] if numbers else 0
        if final == "H":
            self.row = min(max(first, 1), self.rows) - 1
            self.column = min(max(numbers[1] if len(numbers) > 1 else 1, 1), self.columns) - 1
        elif final == "d":
            self.row = min(max(first, 1), self.rows) - 1
        elif final == "G":
            self.column = min(max(first, 1), self.columns) - 1
        elif final in "AB":
            self.row += max(first, 1) * (1 if final == "B" else -1)
        elif final in "CD":
            self.column += max(first, 1) * (1 if final == "C" else -1)
        elif final in "JK":
            self.erase(first, final == "J")
        elif final == "X":
            self.clear(self.row, self.column, min(self.column + max(first, 1), self.columns))
        elif final == "b":
            self.put(self.last * first)
        elif final == "r":
            self.margins = (max(first, 1) - 1, (numbers[1] if len(numbers) > 1 else self.rows) - 1)
            self.row = self.column = 0
        elif final in "ST":
            self.scroll(max(first, 1) * (1 if final == "S" else -1))
        elif final in "LM":
            self.scroll(max(first, 1) * (1 if final == "M" else -1), self.row)
        elif final not in "mhlt":
            self.strange.append(final)

    def feed(self, text):
        for found in CONTROL.finditer(text):
            word, final = found.group(), found.group(3)
            if final and not found.group(1):
                self.control(final, [int(n or 0) for n in found.group(2).split(";")])
            elif word == "\r":
                self.column = 0
            elif word in ("\n", "\x1bM"):
                self.line_feed(1 if word == "\n" else -1)
            elif word == "\b":
                self.column -= 1
            elif word[0] >= " ":
                self.put(word)


class Top:
    """One qosctl top in a terminal of that size; a context manager that ends it."""

    def __init__(self, qosd, rows=24, columns=80, term="xterm"):
        self.master, self.slave = pty.openpty()
        self.size(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.raw = ""
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(
            [QOSCTL, "--socket", qosd.socket, "top", "--watch=200ms"], stdin=self.slave,
            stdout=self.slave, stderr=self.slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": term, "NO_COLOR": "1"})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def size(self, rows, columns):
        self.picture = Picture(rows, columns)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys):
        os.write(self.master, keys.encode())

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            text = os.read(self.master, 65536).decode()
            self.raw += text
            self.picture.feed(text)

    def shows(self, pattern, seconds=10.0):
        """Lines of the picture in which the pattern came to be."""
        end = time.monotonic() + seconds * PATIENCE
        while not re.search(pattern, "\n".join(self.picture.lines()), re.M):
            self.read(0.1)
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} in:\n" + "\n".join(self.picture.lines()))
        return self.picture.lines()

    def ends(self):
        """The exit status, once it is over and all was read; the terminal is as it was."""
        end = time.monotonic() + 10 * PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        self.read(0.1)
        if self.before != termios.tcgetattr(self.slave):
            raise AssertionError("the terminal's modes are not as they were")
        return self.process.poll()


class OnATerminal(unittest.TestCase):
    """Pictures, keys and ends."""

    def setUp(self):
        self.qosd = Instance()
        self.addCleanup(self.qosd.__exit__)
        for name in ("cam", "lens"):
            self.qosd.write(name, contract(name))
        self.qosd.write("wrong", "no contract")
        self.qosd.start()
        self.qosd.run(PYTHON, PERIODIC, "cam", "20", "1")
        until("cam runs", lambda: self.qosd.stream("cam")["stats"]["jobs"] > 10)

    def assert_left(self, top, status):
        self.assertEqual(top.ends(), status)
        self.assertEqual(top.raw.count("\x1b[?1049h"), 1)
        self.assertGreater(top.raw.rfind("\x1b[?1049l"), top.raw.rfind("\x1b[?1049h"))
        self.assertGreater(top.raw.rfind("\x1b[?25h"), top.raw.rfind("\x1b[?25l"))
        self.assertEqual(top.picture.strange, [])

    def test_a_full_terminal(self):
        with Top(self.qosd) as top:
            lines = top.shows(r"^cam/main +in force +\S+ +4ms +\S+ +\d+\.\d +\d+\.\d +\d")
            self.assertRegex(lines[0], r"^qosd \S+: bad")
            self.assertEqual(lines[1], "3 streams by violations")
            self.assertRegex(lines[2], r"^CONTRACT/STREAM +STATE +GUARANTEE.*LAT P99$")
            self.assertEqual([line.split()[0] for line in lines[3:6]], ["cam/main", "lens/main", "wrong.yaml"])
            self.assertRegex(lines[5], r"^wrong.yaml +invalid ")
            self.assertTrue(lines[23].startswith("q quit"))
            top.type("q")
            self.assert_left(top, 0)

    def test_interrupt(self):
        with Top(self.qosd) as top:
            top.shows("^cam/main ")
            top.type("\x03")
            self.assert_left(top, 0)

    def test_signals(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            with Top(self.qosd) as top:
                top.shows("^cam/main ")
                top.process.send_signal(number)
                self.assert_left(top, 0)

    def test_another_size(self):
        with Top(self.qosd) as top:
            top.shows("^cam/main ")
            for rows, columns in ((10, 40), (2, 5), (1, 1), (50, 200), (10, 40)):
                top.size(rows, columns)
                top.shows(f"^{'qosd'[:columns]}")
            lines = top.shows(r"^cam/main .*\d$")
            self.assertEqual(lines[2], "CONTRACT/STREAM   USED P99 LATE/S VIOL/S")
            self.assertTrue(lines[9].startswith("q quit"))
            top.type("q")
            self.assert_left(top, 0)

    def test_keys(self):
        with Top(self.qosd) as top:
            top.shows("^cam/main ")
            for key, word in (("n", "name"), ("u", "used"), ("l", "late"), ("p", "latency"),
                              ("v", "violations")):
                top.type(key)
                top.shows(f"^3 streams by {word}$")
            top.type("/leq\x7fn\r")
            top.shows("^1 of 3 streams by violations, filter: len\n.*\nlens/main .*\n\n")
            top.type("/\x1b")
            top.shows("^3 streams by")
            top.type("q")
            self.assert_left(top, 0)

    def test_rows_scroll(self):
        with Top(self.qosd, rows=6) as top:
            top.shows("^cam/main ")
            top.type("n\x1bOB\x1bOB\x1bOB")
            top.shows("LAT P99\nlens/main .*\nwrong.yaml ")
            top.type("\x1b[5~")
            top.shows("^cam/main ")

    def test_the_daemon_goes_and_comes(self):
        with Top(self.qosd) as top:
            top.shows("^cam/main ")
            self.qosd.stop()
            top.shows(r"\Aqosd is not running.*\n0 streams by violations$")
            self.qosd.start()
            top.shows("^cam/main ")
            top.type("q")
            self.assert_left(top, 0)


class Elsewhere(unittest.TestCase):
    """Words where no screen can be."""

    def test_no_terminal(self):
        with Instance() as qosd:
            qosd.start()
            done = qosd.ctl("top", check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("error: top needs a terminal\n", done.stderr)
            self.assertEqual(qosd.json("top")["contracts"], [])

    def test_a_terminal_that_cannot(self):
        with Instance() as qosd:
            qosd.start()
            with Top(qosd, term="dumb") as top:
                self.assertEqual(top.ends(), 1)
                self.assertIn('cannot draw on a terminal of type "dumb"', top.raw)
            with Top(qosd, term="no-such-terminal") as top:
                self.assertEqual(top.ends(), 1)
                self.assertIn('cannot draw on a terminal of type "no-such-terminal"', top.raw)

    def test_no_daemon(self):
        with Instance() as qosd:
            with Top(qosd) as top:
                self.assertEqual(top.ends(), 3)
                self.assertIn("qosd is not running", top.raw)
                self.assertNotIn("\x1b", top.raw)


main()
