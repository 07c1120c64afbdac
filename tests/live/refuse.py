# SPDX-License-Identifier: GPL-2.0-only
"""Runs a command to which the kernel refuses perf events as Debian's does: refuse.py COMMAND [ARGUMENT]...

A seccomp filter, so it holds for whatever capabilities the command has, and on every kernel.
"""

import ctypes
import errno
import os
import struct
import sys

PERF_EVENT_OPEN = {"x86_64": 298}.get(os.uname().machine, 241)
PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
LOAD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ERRNO, ALLOW = 0x00050000, 0x7FFF0000
FILTER = ((LOAD, 0, 0, 0), (JUMP_EQUAL, 0, 1, PERF_EVENT_OPEN), (RETURN, 0, 0, ERRNO | errno.EACCES), (RETURN, 0, 0, ALLOW))


class Program(ctypes.Structure):
    """struct sock_fprog"""
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def main():
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in FILTER))
    program = Program(len(FILTER), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
        sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
    os.execvp(sys.argv[1], sys.argv[1:])


main()
