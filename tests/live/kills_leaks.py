# SPDX-License-Identifier: GPL-2.0-only
"""What a daemon holds, and what is left of it: descriptors, BPF objects, pins, files."""
import collections
import ctypes
import os
import re

SYS_BPF = 321  # x86-64
NEXT_ID = {"prog": 11, "map": 12, "link": 31}
LIBC = ctypes.CDLL(None, use_errno=True)


def descriptors(pid):
    """How many of each kind."""
    found = collections.Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[re.sub(r":?\[?\d+\]?$", "", os.readlink(f"/proc/{pid}/fd/{fd}"))] += 1
        except FileNotFoundError:
            pass
    return found


def infos(pid):
    """What the kernel tells of each descriptor."""
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        try:
            with open(f"/proc/{pid}/fdinfo/{fd}", encoding="utf-8") as info:
                yield info.read()
        except (FileNotFoundError, ProcessLookupError):
            pass


def verified(pid):
    """How many instructions the verifier looked at, for each BPF program behind its descriptors."""
    return [int(count) for text in infos(pid) for count in re.findall(r"^verified_insns:\s*(\d+)$", text, re.M)]


def objects_of(pid):
    """{(kind, id): type} of the BPF objects behind its descriptors."""
    found = {}
    for text in infos(pid):
        for kind, number in re.findall(r"^(prog|map|link)_id:\s*(\d+)$", text, re.M):
            of = re.search(rf"^{kind}_type:\s*(\S+)$", text, re.M)
            found[kind, int(number)] = f"{kind} of type {of.group(1)}" if of else kind
    return found


def alive():
    """{(kind, id)} of all in the kernel. By numbers alone: a descriptor of a prog array that is going, such as
    bpftool takes, has the kernel (6.18) count one user too many, and keep it for ever."""
    found = set()
    for kind, command in NEXT_ID.items():
        attr = (ctypes.c_uint32 * 3)()  # from, next, flags
        while LIBC.syscall(SYS_BPF, command, attr, ctypes.sizeof(attr)) == 0:
            found.add((kind, attr[1]))
            attr[0] = attr[1]
    return found


def files(*dirs):
    """Paths of all below."""
    return sorted(os.path.join(place, name) for top in dirs for place, _, names in os.walk(top) for name in names)
