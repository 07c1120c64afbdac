#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Completion in the shells themselves: verbs, options, and the names that a running daemon has."""

import os
import pty
import re
import select
import subprocess
import time
import unittest

from contracts import contract
from instance import QOSCTL, Instance, main

HERE = os.path.dirname(os.path.abspath(__file__))
COMPLETION = os.path.join(HERE, "../../cli/completion")
PATH = os.path.dirname(os.path.abspath(QOSCTL)) + ":" + os.environ["PATH"]
BASH = """source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); compopt() { :; }; _qosctl; printf '%s\\n' "${COMPREPLY[@]}"
"""


def environment(home, **more):
    return {"PATH": PATH, "HOME": home, "TERM": "dumb", "LC_ALL": "C.UTF-8", **more}


def bash(home, *words):
    script = os.path.join(COMPLETION, "qosctl.bash")
    return subprocess.run(["bash", "--norc", "-c", BASH, "bash", script, "qosctl", *words], text=True,
                          capture_output=True, check=True, env=environment(home)).stdout.split("\n")


def fish(home, *words):
    line = " ".join(("qosctl", *words))
    out = subprocess.run(["fish", "--private", "--no-config", "-c",
                          'source $argv[1]; complete -C $argv[2]',
                          os.path.join(COMPLETION, "qosctl.fish"), line], text=True,
                         capture_output=True, check=True, env=environment(home, XDG_CONFIG_HOME=home))
    assert not out.stderr, out.stderr
    return [found.split("\t")[0] for found in out.stdout.split("\n")]


EDITS = r"\x1b\[\?2004h"  # zsh takes keys


def read_until(terminal, pattern, seconds=30):
    text, end = "", time.monotonic() + seconds
    while not re.search(pattern, text, re.S):
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        if not ready:
            raise AssertionError(f"waited in vain for {pattern!r} in {text!r}")
        text += os.read(terminal, 4096).decode()
    return text


def zsh(home, *words):
    """zsh completes only in a terminal, and lists what is possible when ^D is pressed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], environment(home, ZDOTDIR=home))
    try:
        read_until(terminal, EDITS)
        os.write(terminal, f"fpath=({COMPLETION} $fpath); autoload -U compinit; compinit -D -u; LISTMAX=999; "
                           "zstyle ':completion:*' list-colors ''; print rea''dy\n".encode())
        read_until(terminal, "ready\r\n.*" + EDITS)
        os.write(terminal, " ".join(("qosctl", *words)).encode() + b"\x04\x15print do''ne\n")
        return re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", read_until(terminal, "done\r\n")).split()
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


class Completion(unittest.TestCase):
    """In bash, zsh and fish."""

    def check_shell(self, shell):
        with Instance() as qosd:
            qosd.write("camera", contract("camera"))
            qosd.start()
            at = ("--socket", qosd.socket)
            self.assertIn("camera", shell(qosd.dir, *at, "show", "ca"))
            self.assertIn("cpu.main.runtime=", shell(qosd.dir, *at, "adjust", "camera", "cpu"))
            self.assertNotIn("camera", shell(qosd.dir, "--socket", "/nonexistent", "show", "ca"))
            verbs = shell(qosd.dir, "re")
            self.assertTrue({"reload", "revert", "readmit"} <= set(verbs), verbs)
            self.assertIn("--strict", shell(qosd.dir, "check", "--s"))
            self.assertIn("qosd.yaml", " ".join(shell(qosd.dir, "check", qosd.dir + "/")))

    def test_bash(self):
        self.check_shell(bash)

    def test_fish(self):
        self.check_shell(fish)

    def test_zsh(self):
        self.check_shell(zsh)


main()
