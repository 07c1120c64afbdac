# SPDX-License-Identifier: GPL-2.0-only
"""Contract texts that the live tests share."""

import os

PYTHON = "/usr/bin/python3"
PERIODIC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "periodic.py")


def start_program(instance, tag, period_ms, work_ms, *mode):
    """periodic.py, which contract(tag) matches."""
    return instance.run(PYTHON, PERIODIC, tag, str(period_ms), str(work_ms), *mode)


# pylint: disable=too-many-arguments,too-many-positional-arguments
def contract(name, extra="", period="20ms", runtime="4ms", tag=None, top=""):
    """One cpu stream for periodic.py with the tag; `extra` adds keys to it, `top` above match."""
    return f"""version: 1
contract: {name}
{top}match:
  - exe: {PYTHON}
    user: root
    cmdline: .*periodic.py {tag or name} .*
cpu:
  period: {period}
  runtime: {runtime}
  window: 1/10
{extra}"""


RANGE = "  range: {runtime: 2ms..8ms}\n"


def rule(event, when=None, value=None, emit=None):
    """One list item of `rules`."""
    text = f"    - event: {event}\n"
    text += f"      when: {when}\n" if when else ""
    text += f"      set:\n        cpu.runtime: {value}\n" if value else ""
    return text + (f"      emit: {emit}\n" if emit else "")


def with_rules(*rules, name="cam", placement="kernel", **more):
    return contract(name, RANGE, **more) + f"adapt:\n  placement: {placement}\n  rules:\n" + "".join(rules)
