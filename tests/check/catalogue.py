# SPDX-License-Identifier: GPL-2.0-only
"""Every MESSAGE_ID is used, listed in qosd.8, and explained in the journal's catalogue; and nothing else is."""
import re

HEADER, CATALOGUE, PAGE = "daemon/util/log.h", "packaging/systemd/qosd.catalog", "man/qosd.8"
DEFINE = re.compile(r'^#define (QOS_MSG_\w+)\s+"([0-9a-f]{32})"', re.M)
ENTRY = re.compile(r"^-- ([0-9a-f]{32})\n((?:[A-Z][\w-]*: .*\n)+)\n((?:(?!-- ).*\n?)+)", re.M)


def repeated(ids):
    return {i for i in ids if ids.count(i) > 1}


def catalogue(tree, _build):
    """Yields one line for each id that is missing, or too much, in one of the places."""
    if HEADER not in tree.names:
        return
    defined = {i: name for name, i in DEFINE.findall(tree.text(HEADER))}
    entries = ENTRY.findall(tree.text(CATALOGUE))
    explained = re.findall(r"^-- ([0-9a-f]{32})", tree.text(CATALOGUE), re.M)
    listed = re.findall(r"^\.It Li ([0-9a-f]{32})", tree.text(PAGE), re.M)
    used = "".join(tree.text(name) for name in tree.ending(".c") if name.startswith("daemon/"))
    for name in sorted(defined.values()):
        if not re.search(r"\b%s\b" % name, used):
            yield "%s: %s is never used" % (HEADER, name)
    for place, ids in ((CATALOGUE, explained), (PAGE, listed)):
        for i in sorted(defined.keys() ^ set(ids)):
            yield "%s: %s (%s) is %s" % (place, i, defined.get(i, "no id of log.h"),
                                         "too much" if i in ids else "missing")
        for i in sorted(repeated(ids)):
            yield "%s: %s stands there twice" % (place, i)
    for i in sorted(set(explained) - {i for i, head, body in entries if "Subject: " in head and body.strip()}):
        yield "%s: %s has no subject, or no text" % (CATALOGUE, i)


ID = "0123456789abcdef" * 2
OTHER = "f" * 32
GOOD = {
    HEADER: '#define QOS_MSG_X  "%s"\n' % ID, "daemon/a.c": "f(QOS_MSG_X);",
    CATALOGUE: "-- %s\nSubject: x\n\nWords.\n" % ID, PAGE: ".It Li %s Ta x\n" % ID,
}
BAD = [
    ("an id that nobody uses", {"daemon/a.c": ""}),
    ("an id without an entry", {CATALOGUE: "# nothing\n"}),
    ("an entry without an id", {CATALOGUE: GOOD[CATALOGUE] + "\n" + GOOD[CATALOGUE].replace(ID, OTHER)}),
    ("an entry twice", {CATALOGUE: GOOD[CATALOGUE] + "\n" + GOOD[CATALOGUE]}),
    ("an entry without words", {CATALOGUE: "-- %s\nSubject: x\n\n" % ID}),
    ("an entry without a subject", {CATALOGUE: "-- %s\nDefined-By: x\n\nWords.\n" % ID}),
    ("an id that the page does not list", {PAGE: "\n"}),
]
