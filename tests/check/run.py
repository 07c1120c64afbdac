#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs every check of the tree, and first each against a tree that breaks it.

usage: run.py BUILD    (the build directory, for the check of compiled objects)
"""
import os
import sys
import tempfile

import catalogue
import layers
import pure
import style
from tree import Tree


def caught(check, texts):
    """Does the check find anything in a tree of these texts?"""
    with tempfile.TemporaryDirectory() as root:
        return bool(list(check(Tree.of_texts(root, texts), root)))


def caught_object(text):
    """Likewise for the check of objects, on one compiled source."""
    with tempfile.TemporaryDirectory() as root:
        build = pure.compile_in(Tree(root, []), text)
        return bool(list(pure.check(None, build)))


def self_tests():
    """(name, passed): a clean tree passes each check, a broken one does not."""
    cases = {layers.check: (layers.GOOD, layers.BAD), catalogue.catalogue: (catalogue.GOOD, catalogue.BAD),
             **style.CASES}
    for check, (good, bad) in cases.items():
        name = "layers" if check is layers.check else check.__name__
        yield name + " passes a clean tree", not caught(check, good)
        for what, texts in bad:
            yield "%s catches %s" % (name, what), caught(check, {**good, **texts})
    yield "pure passes a clean object", not caught_object(pure.GOOD_SOURCE)
    for what, text in pure.BAD_SOURCES:
        yield "pure catches " + what, caught_object(text)


def tree_checks(tree, build):
    """(name, passed) for each check of the real tree; its findings are printed."""
    named = {"layers": layers.check, "pure": pure.check, "licence": style.licence,
             "words": style.words, "sizes": style.sizes, "mirrors": style.mirrors, "catalogue": catalogue.catalogue}
    for name, check in named.items():
        problems = list(check(tree, build))
        for problem in problems:
            print("  " + problem)
        yield name, not problems


def main(build):
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    tree = Tree.of_checkout(root)
    for warning in style.size_warnings(tree):
        print("  warning: " + warning)
    counts = {True: 0, False: 0}
    for results in (self_tests(), tree_checks(tree, os.path.abspath(build))):
        for name, passed in results:
            counts[passed] += 1
            print("%-8s%s" % ("ok" if passed else "FAILED", name))
    print("%d passed, %d failed" % (counts[True], counts[False]))
    return 1 if counts[False] else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
