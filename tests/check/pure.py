# SPDX-License-Identifier: GPL-2.0-only
"""Ranks 0 to 3 make no system call, read no clock and keep no writable globals.

Judged by the compiled objects, so that a macro or an inline function hides nothing: their undefined
symbols against a list of names, and the sections of their defined ones. Weakness: a function that is
not on the list passes; it grows with what the C library offers.
"""
import glob
import os
import re
import subprocess

IMPURE_DIRS = ("util", "contract", "extension", "admit", "adapt")
EXEMPT = {"util_file", "util_log"}
DENIED = frozenset("""
open openat creat fopen fopen64 fdopen freopen opendir fdopendir readdir closedir close read readv
write writev lseek stat lstat fstat fstatat statx access faccessat readlink realpath rename renameat
unlink unlinkat mkdir mkdirat rmdir link symlink chmod fchmod chown fchown fsync mount umount umount2
ioctl fcntl mmap munmap mprotect mlock syscall prctl dup pipe socket bind connect listen accept send
sendto sendmsg recv recvfrom recvmsg poll ppoll select epoll_create1 epoll_wait eventfd signalfd
clock clock_gettime clock_nanosleep time gettimeofday timespec_get localtime gmtime sleep usleep
nanosleep getpid gettid getppid getuid geteuid getgid getegid getgroups getpwnam getpwuid getgrnam
getgrgid kill tgkill raise fork vfork clone execve execv execvp execl execlp system popen pclose
posix_spawn wait waitpid exit _exit abort signal sigaction sched_setattr sched_setscheduler
sched_setaffinity sched_getaffinity sched_yield setpriority getpriority sysconf uname gethostname
getenv secure_getenv setenv random rand srand getrandom arc4random strtok strerror setlocale
pthread_create pthread_mutex_lock printf puts putchar perror syslog stdout stderr stdin
""".split())


def plain(symbol):
    """The name as a programmer wrote it: fortified, 64-bit and C99 variants are the same call."""
    symbol = symbol.split("@")[0]
    symbol = re.sub(r"^_+(isoc99_|isoc23_)?", "", symbol)
    return re.sub(r"(_chk|_2|64)+$", "", symbol)


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def problems(path, label):
    """What one object file does that it must not."""
    for line in run("nm", "-u", path).splitlines():
        if plain(line.split()[-1]) in DENIED:
            yield "%s: calls %s" % (label, line.split()[-1])
    for line in run("objdump", "-t", path).splitlines():
        found = re.match(r"\S+ (.{7}) (\.(?:data|bss|tdata|tbss)\S*)\s+([0-9a-f]+) (\S+)", line)
        if not found or found.group(2).startswith(".data.rel.ro") or "d" in found.group(1):
            continue
        if int(found.group(3), 16):
            yield "%s: writable global %s in %s" % (label, found.group(4), found.group(2))


def objects(build):
    """(path, stem) of the pure objects of libqos."""
    for path in sorted(glob.glob(os.path.join(build, "daemon/libqos.a.p/*.o"))):
        stem = os.path.basename(path).split(".c.o")[0]
        if stem not in EXEMPT and (stem in ("config", "metrics") or stem.split("_")[0] in IMPURE_DIRS):
            yield path, stem


def check(_tree, build):
    """Yields one line for each denied symbol. Without objects there is nothing to trust."""
    count = 0
    for path, stem in objects(build):
        count += 1
        yield from problems(path, stem)
    if not count:
        yield "%s has no objects of libqos: build first" % build


def compile_in(tree, text):
    """An object file made of the text, for the self-test."""
    source, target = tree.path("x.c"), tree.path("daemon/libqos.a.p/util_x.c.o")
    os.makedirs(os.path.dirname(target))
    with open(source, "w", encoding="utf-8") as out:
        out.write(text)
    run(os.environ.get("CC", "cc"), "-O2", "-c", source, "-o", target)
    return tree.root


GOOD_SOURCE = """
#include <stdlib.h>
static const char *const words[] = {"a", "b"};
const char *word(int i); const char *word(int i) { return malloc(1) ? words[i] : NULL; }
"""
BAD_SOURCES = [
    ("a clock", "#include <time.h>\nlong now(void); long now(void) { return time(0); }"),
    ("a fortified read", "#include <unistd.h>\nlong r(char *p, int n); "
     "long r(char *p, int n) { return read(0, p, n); }"),
    ("a counter", "int next(void); int next(void) { static int n; return ++n; }"),
    ("a table of pointers that can be changed",
     'const char *words[] = {"a", "b"}; const char *const *t = words;'),
]
