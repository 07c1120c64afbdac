# SPDX-License-Identifier: GPL-2.0-only
"""The README's "Five commands", run as they stand there, so that they stay true: the machine, which the README
describes in words, the commands, and whether what they print still begins as the lines that it shows."""
import os
import re
import shutil
import subprocess

from genl import TOP
from lab_test import expect
from package_world import WHERE, say

HERE = f"{WHERE}/person"  # where the packages lie, and the contract comes


def parse(text):
    """[(command, [line shown below it])] of the section's console."""
    section = text.split("\n## Five commands\n")[1].split("\n## ")[0]
    found = []
    for line in re.search(r"```console\n(.*?)```", section, re.DOTALL)[1].splitlines():
        if line.startswith("# "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def commands(packages):
    """The README's, with the packages where they are run."""
    os.makedirs(HERE)
    for path in packages:
        shutil.copy(path, HERE)
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as readme:
        found = parse(readme.read())
    expect(len(found), 5, "commands in the README")
    return found


def beginning(line):
    """A line's place and first word: what follows are figures for the most."""
    return re.match(r"\s*\S*", line)[0]


def carry_out(command, shown):
    """As a person would; returns what it printed, which is in five.log beside the other results too."""
    done = subprocess.run(["sh", "-c", command], cwd=HERE, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False,
                          env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    with open(os.path.join(os.environ["QOS_VM_OUT"], "five.log"), "a", encoding="utf-8") as log:
        log.write(f"# {command}\n{done.stdout}")
    say(f"# {command}: {len(done.stdout.splitlines())} lines")
    expect(done.returncode, 0, f"{command}: {done.stdout}")
    have = {beginning(line) for line in done.stdout.splitlines()}
    expect([line for line in shown if line != "..." and beginning(line) not in have], [],
           f"{command}: the README shows what it does not print")
    return done.stdout
