# SPDX-License-Identifier: GPL-2.0-only
"""Others' monitors of the scheduler, as controls: how long threads wait to run, by libbpf-tools' runqlat and by
bpftrace. (bpftrace's own runqlat.bt needs kernel headers; this is the same measurement without.)"""

import os
import pty
import select
import subprocess
import time

import measure

PROGRAM = """
tracepoint:sched:sched_wakeup, tracepoint:sched:sched_wakeup_new { @since[args->pid] = nsecs; }
tracepoint:sched:sched_switch {
	if (args->prev_state == 0) { @since[args->prev_pid] = nsecs; }
	$since = @since[args->next_pid];
	if ($since) { @us = hist((nsecs - $since) / 1000); }
	delete(@since[args->next_pid]);
}
BEGIN { printf("attached\\n"); }
"""
# bpftrace finds tracepoints in tracefs only
PATIENCE_S = 60
MOUNT = ["unshare", "-m", "sh", "-c", 'mount -t tracefs tracefs /sys/kernel/tracing && exec "$@"', "sh"]
COMMANDS = {"runqlat": (["runqlat", "100000"], "Tracing run queue"),
            "bpftrace": (["bpftrace", "-e", PROGRAM], "attached")}


class Tracer:
    """One of them, from start to end; it runs once its probes are attached, which it then says itself."""

    def __init__(self, name):
        command, word = COMMANDS[name]
        if name == "bpftrace" and not os.path.isdir("/sys/kernel/tracing/events"):
            command = MOUNT + command
        self.name, self.said = name, ""
        self.terminal, other = pty.openpty()  # so that it says it at once
        begin = time.monotonic()
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=other, stderr=other)
        os.close(other)
        while word not in self.said:
            self.read()
        self.start_s = time.monotonic() - begin
        self.rss_kib = measure.rss_kib(self.process.pid)

    def read(self):
        if not select.select([self.terminal], [], [], PATIENCE_S)[0]:
            self.__exit__()
            raise SystemExit(f"{self.name} is not attached after {PATIENCE_S} s: {self.said}")
        try:
            self.said += os.read(self.terminal, 4096).decode(errors="replace")
        except OSError as error:  # the other end is closed
            raise SystemExit(f"{self.name} ended: {self.said}") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()  # else it writes a long farewell, which nobody reads
        self.process.wait()
        os.close(self.terminal)
