# SPDX-License-Identifier: GPL-2.0-only
"""An #include "x/y.h" names a lower rank, or a file of the same one (HACKING, "One direction")."""
import os
import re

RANKS = {
    "daemon/util": 0, "bpf": 1, "daemon/contract": 2, "daemon/extension": 2.5, "daemon/admit": 3, "daemon/adapt": 3,
    "daemon/kern": 4, "daemon/sandbox": 4, "daemon/parser": 4, "daemon/state": 5, "daemon/service": 6, "daemon/gateway": 8,
    "cli": 8,
}
# Files of daemon/ itself are rank 7, the supervisor and its parts, but for these. config reads
# documents of contract/, which knows nothing of it.
KMOD = {"kmod/dwcs.h": 1, "kmod/dwcs_bundle.h": 1, "kmod/dwcs_link.h": 1, "kmod/dwcs_check.h": 1,
        "kmod/uapi/qos_dwcs.h": 1, "kmod/uapi/qos_sch_dwcs.h": 1}  # shared with the module; the rest is the kernel's
TOP = {"config": 2.5, "metrics": 3.5, "metrics_socket": 8, "bus": 8, "bus_gateway": 8, "bus_methods": 8, "bus_parts": 8, "main": 8}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
GENERATED = (".skel.h", "vmlinux.h")


def rank(name):
    """Rank of a source file, or None where the rule does not reach (tests)."""
    directory = os.path.dirname(name)
    if name in KMOD:
        return KMOD[name]
    if directory == "daemon":
        return TOP.get(os.path.basename(name).split(".")[0], 7)
    return RANKS.get(directory)


def resolve(tree, source, header):
    """The file that the compiler would take: -I daemon -I bpf -I cli -I kmod, and the source's directory."""
    for directory in (os.path.dirname(source), "daemon", "bpf", "cli", "kmod"):
        name = os.path.normpath(os.path.join(directory, header))
        if name in tree.names:
            return name
    return None


def judge(tree, source, header):
    """What is wrong with one #include, or None."""
    target = resolve(tree, source, header)
    if target is None:
        return None if header.endswith(GENERATED) else 'no such file: "%s"' % header
    if os.path.dirname(target) == os.path.dirname(source) and os.path.dirname(source) != "daemon":
        return None
    ours, theirs = rank(source), rank(target)
    if theirs < ours or (theirs == ours and os.path.dirname(target) == os.path.dirname(source)):
        return None
    return "rank %g includes %s of rank %g" % (ours, target, theirs)


def check(tree, _build):
    """Yields one line for each #include that points sideways or up."""
    for source in tree.ending(".c", ".h"):
        if rank(source) is None:
            continue
        for found in INCLUDE.finditer(tree.text(source)):
            problem = judge(tree, source, found.group(1))
            if problem:
                line = tree.text(source).count("\n", 0, found.start(1)) + 1
                yield "%s:%d: %s" % (source, line, problem)


GOOD = {
    "daemon/util/a.h": "", "bpf/qos_abi.h": "", "daemon/config.h": '#include "util/a.h"\n',
    "daemon/admit/b.c": '#include "config.h"\n#include "util/a.h"\n',
    "daemon/supervisor.c": '#include "admit/b.h"\n#include "load.h"\n', "daemon/load.h": "",
    "daemon/admit/b.h": '#include "qos_abi.h"\n', "daemon/adapt/c.h": '#include "dwcs.h"\n',
    "kmod/dwcs.h": "",
}
BAD = [
    ("up", {"daemon/util/x.c": '#include "admit/b.h"\n'}),
    ("sideways", {"daemon/admit/x.c": '#include "adapt/c.h"\n'}),
    ("a high file of daemon/", {"daemon/config.c": '#include "load.h"\n'}),
    ("a file that is not there", {"daemon/util/x.c": '#include "util/nothing.h"\n'}),
]
