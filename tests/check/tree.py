# SPDX-License-Identifier: GPL-2.0-only
"""The tree as the checks see it: file names and texts, with nothing but Python's standard library."""
import os
import subprocess


class Tree:
    """Files of a checkout: tracked ones and new ones, without what git ignores."""

    def __init__(self, root, names):
        self.root = root
        self.names = sorted(names)

    @classmethod
    def of_checkout(cls, root):
        """Asks git, which knows what is ignored."""
        out = subprocess.run(["git", "-C", root, "ls-files", "-coz", "--exclude-standard"],
                             check=True, stdout=subprocess.PIPE).stdout
        names = {name.decode() for name in out.split(b"\0") if name}
        return cls(root, [n for n in names if os.path.isfile(os.path.join(root, n))])

    @classmethod
    def of_texts(cls, root, texts):
        """Writes a small tree for a self-test; `texts` maps names to contents."""
        for name, text in texts.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
        return cls(root, texts)

    def path(self, name):
        return os.path.join(self.root, name)

    def text(self, name):
        """Contents; bytes that are no text (golden inputs, corpus) come out as U+FFFD."""
        with open(self.path(name), encoding="utf-8", errors="replace") as source:
            return source.read()

    def ending(self, *suffixes):
        return [n for n in self.names if n.endswith(suffixes)]


def is_input(name):
    """Is it data that a test feeds to the program, and so not ours to style?"""
    return name.startswith(("tests/golden/", "tests/fuzz/corpus/", "tests/fuzz/seeds/")) \
        and not name.endswith((".sh", ".py", ".c"))
