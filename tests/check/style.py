# SPDX-License-Identifier: GPL-2.0-only
"""Rules of the text: licence line, sizes, words that must not stand in the tree, tests' names."""
import ast
import os
import re

from tree import is_input

FILE_MAX, FILE_WARN = 600, 500
FUNCTION_MAX, FUNCTION_WARN = 80, 60

# No comment can stand in these, or a program reads them whole.
NO_COMMENT = re.compile(r"(^|/)(LICENSE|changelog|format|compat|.*\.(md|json|expected|out|txt|install"
                        r"|docs|manpages|dirs|links|1\.gz))$")
SPDX = "SPDX-License-Identifier: GPL-2.0-only"

# Put together from halves, so that this file itself is clean.
WORDS = re.compile("|".join([
    "/wor" + r"k\b", "/roo" + "t/", "/far" + r"m\b", r"\bTO" + r"DO\b", r"\bFIX" + r"ME\b",
    r"\bX" + r"XX\b"]))


def licence(tree, _build):
    """Every file that can hold a comment says its licence in the first three lines."""
    for name in tree.names:
        if NO_COMMENT.search(name) or is_input(name):
            continue
        if SPDX not in "".join(tree.text(name).splitlines(True)[:3]):
            yield "%s:1: no line \"%s\"" % (name, SPDX)


def words(tree, _build):
    """No places of one machine, no notes to oneself."""
    for name in tree.names:
        if name == "LICENSE":
            continue
        for number, line in enumerate(tree.text(name).splitlines(), 1):
            found = WORDS.search(line)
            if found:
                yield "%s:%d: \"%s\" must not stand in the tree" % (name, number, found.group())


def c_functions(text):
    """(first line, length) of each function: kernel style puts both braces in column 0."""
    begin = None
    for number, line in enumerate(text.splitlines(), 1):
        if line == "{":
            begin = number
        elif line.startswith("}") and begin is not None:
            yield begin, number - begin + 1
            begin = None


def shell_functions(text):
    begin = None
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\w+\(\) \{", line):
            begin = number
        elif line == "}" and begin is not None:
            yield begin, number - begin + 1
            begin = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1


def functions(name, text):
    if name.endswith((".c", ".h")):
        return c_functions(text)
    return python_functions(text) if name.endswith(".py") else shell_functions(text)


def lengths(tree):
    """(place, length, largest allowed, length to warn of) of all files and functions."""
    for name in [n for n in tree.names if n.endswith((".c", ".h", ".py", ".sh")) or n == "dev"]:
        text = tree.text(name)
        yield name + ":1: file", text.count("\n"), FILE_MAX, FILE_WARN
        for line, length in functions(name, text):
            yield "%s:%d: function" % (name, line), length, FUNCTION_MAX, FUNCTION_WARN


def sizes(tree, _build):
    """Files and functions that fit a head."""
    for place, length, most, _ in lengths(tree):
        if length > most:
            yield "%s of %d lines, at most %d" % (place, length, most)


def size_warnings(tree):
    for place, length, most, warn in lengths(tree):
        if warn < length <= most:
            yield "%s of %d lines is long" % (place, length)


def mirrors(tree, _build):
    """tests/unit/test_X.c tests a source X.c, a BPF header X.bpf.h, the program qosctl, or a header of
    the module or of tests/harness that is an algorithm."""
    sources = {os.path.basename(n) for n in tree.ending(".c") if n.startswith(("daemon/", "cli/"))}
    sources |= {os.path.basename(n)[:-1] + "c" for n in tree.ending(".h")
                if n.startswith(("kmod/", "tests/harness/"))}
    sources |= {os.path.basename(n).replace(".bpf.h", ".c") for n in tree.ending(".bpf.h")} | {"qosctl.c"}
    for name in tree.ending(".c"):
        if name.startswith("tests/unit/test_") and os.path.basename(name)[5:] not in sources:
            yield "%s:1: there is no source %s" % (name, os.path.basename(name)[5:])
    builds = "".join(tree.text(name) for name in tree.names if name.endswith("meson.build"))
    for name in tree.ending(".c"):
        word = os.path.basename(name)[5:-2]
        if re.match(r"tests/(unit|property|live)/test_", name) and "'%s'" % word not in builds:
            yield "%s:1: no meson.build names the test '%s'" % (name, word)


LICENSED = "/* %s */\n" % SPDX
LONG_C = LICENSED + "int f(void)\n{\n" + "\tg();\n" * FUNCTION_MAX + "}\n"
LONG_SH = "f() {\n" + "  g\n" * FUNCTION_MAX + "}\n"
LONG_PY = "def f():\n" + "    g()\n" * FUNCTION_MAX
CASES = {
    licence: ({"a.c": LICENSED, "b.json": "{}"}, [("no licence", {"c.sh": "#!/bin/sh\ntrue\n"})]),
    words: ({"a.c": LICENSED, "b.sh": "mktemp -d /tmp/" + "X" * 6}, [
        ("a path", {"c": "cd /wor" + "k/x"}), ("a note", {"c": "// TO" + "DO: later"}),
        ("a mark", {"c": "# X" + "XX look"})]),
    sizes: ({"a.c": LICENSED + "int f(void)\n{\n}\n"}, [
        ("a long file", {"a.c": "\n" * (FILE_MAX + 1)}), ("a long C function", {"a.c": LONG_C}),
        ("a long shell function", {"dev": LONG_SH}), ("a long Python function", {"a.py": LONG_PY})]),
    mirrors: ({"daemon/util/a.c": "", "tests/unit/test_a.c": "", "kmod/d.h": "",
               "tests/unit/test_d.c": "", "tests/meson.build": "'a', 'd'"}, [
        ("a test of nothing", {"tests/unit/test_b.c": ""}),
        ("a test that is not built", {"daemon/c.c": "", "tests/unit/test_c.c": ""})]),
}
