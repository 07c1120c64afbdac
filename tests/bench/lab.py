# SPDX-License-Identifier: GPL-2.0-only
"""Runs a program of tests/vm in a kernel of the lab, in virtual time, over lines of JSON."""

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

PYTHON = "/usr/bin/python3"
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
# Of a guest with a daemon, the module and links.
FILES = ("tests/live tests/vm kmod/uapi build/cli/qosctl build/daemon/qosd build/daemon/qosd-parse build/daemon/qosd-sandbox"
         " build/kmod/rt/qos_dwcs.ko").split()
MODULES = ("sch_htb", "sch_ingress", "sch_fq", "cls_bpf", "veth")
TOOLS = ("nice", "ps", "tc")


def build_module(kernel="rt"):
    subprocess.run(["./dev", "kmod", kernel], cwd=TOP, stdout=subprocess.DEVNULL, check=True)


def run(program, jobs, shift, timeout, kernel="rt"):
    """One boot: the guest's PROGRAM JOBS RESULTS. Whatever answers there are, and an error or None."""
    out = os.path.join(TOP, "build/vm")
    os.makedirs(out, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix="bench.") as folder:
        with open(f"{folder}/jobs", "w", encoding="utf-8") as file:
            file.writelines(json.dumps(job) + "\n" for job in jobs)
        done = subprocess.run(
            ["./dev", "vm", kernel, "--virtual-time", "--shift", str(shift),
             "--timeout", str(timeout), "--out", folder, "--", f"tests/vm/{program}", f"{folder}/jobs", f"{folder}/results"],
            cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
        answers = []
        if os.path.exists(f"{folder}/results"):
            with open(f"{folder}/results", encoding="utf-8") as file:
                answers = [json.loads(line) for line in file if line.endswith("\n")]
    return answers, done.stderr if done.returncode else None


def module_files(kernel, names):
    """Of that kernel's own modules; build_module() comes first."""
    asked = subprocess.run(["modinfo", "-F", "vermagic", f"build/kmod/{kernel}/qos_dwcs.ko"], cwd=TOP, stdout=subprocess.PIPE,
                           text=True, check=True)
    release = asked.stdout.split()[0]
    cache = subprocess.run(["bash", "-c", ". tests/harness/lib.sh && . tests/vm/cache.sh && lab_cache"], cwd=TOP,
                           stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return [glob.glob(f"{cache}/{release}_*/lib/modules/{release}/kernel/**/{name}.ko*", recursive=True)[0] for name in names]


def python_files():
    """Of the system's interpreter; what it is linked from, and its own tests, are of no use to a guest."""
    asked = subprocess.run([PYTHON, "-c", "import os; print(os.path.dirname(os.__file__))"], stdout=subprocess.PIPE, text=True,
                           check=True)
    entries = [entry.path for entry in os.scandir(asked.stdout.strip())
               if not entry.name.startswith(("config-", "test", "idlelib", "distutils", "pydoc_data"))]
    return [PYTHON, *sorted(entries)]


def run_closed(program, jobs, shift, timeout, files, seed, kernel="rt"):
    """One boot of a guest that has `files` and the interpreter in its memory, so that it does the same each time to the
    instruction: PROGRAM, with jobs on its stdin, prints answers."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="files.") as names:
        print(*python_files(), f"tests/vm/{program}", *files, sep="\n", file=names, flush=True)
        done = subprocess.run(
            ["./dev", "vm", kernel, "--virtual-time", "--shift", str(shift), "--timeout", str(timeout), "--closed", names.name,
             "--seed", str(seed), "--", f"tests/vm/{program}"], cwd=TOP, input="".join(json.dumps(job) + "\n" for job in jobs),
            capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines(keepends=True) if line.endswith("}\n")]
    return answers, done.stderr if done.returncode else None


def run_with_daemon(program, jobs, shift, timeout, seed):
    """The same of a guest with a daemon; the first line that it gets is {"modules": [PATH, ...]}, the kernel's own."""
    modules = module_files("rt", MODULES)
    tools = [shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin") for name in TOOLS]
    return run_closed(program, [{"modules": modules}, *jobs], shift, timeout, [*FILES, *modules, *tools], seed)


def run_batches(program, batches, shift, timeout, machines=1, tell=None, one_boot=run):
    """Every batch in a boot of its own, `machines` at once. All answers, which tell() also gets as they
    come; errors go to stderr."""
    batches, answers, errors = list(batches), [], []
    lock = threading.Lock()

    def work():
        while True:
            with lock:
                if not batches:
                    return
                batch = batches.pop(0)
            got, error = one_boot(program, batch, shift, timeout)
            with lock:
                answers.extend(got)
                if tell:
                    tell(got)
                if error:
                    errors.append(error)
                    print(error, file=sys.stderr, flush=True)

    workers = [threading.Thread(target=work) for _ in range(machines)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return answers, errors


def part(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] if values else 0.0


def judge(delays, deadline_ns, x, y):
    """What became of packets that took so many ns, None: that did not come; more than x late ones of y violate."""
    late = [delay is None or delay > deadline_ns for delay in delays]
    came = [delay / 1e6 for delay in delays if delay is not None]
    windows = [sum(late[i:i + y]) for i in range(0, len(late) - y + 1, y)]
    return {"packets": len(late), "lost": delays.count(None), "late": sum(late), "windows": len(windows),
            "violations": sum(n > x for n in windows), "p50_ms": part(came, .5), "p99_ms": part(came, .99)}


def end(missed, **found):
    """The last line, and whether the bounds hold."""
    for what in missed:
        print(f"MISSED  {what}", file=sys.stderr)
    print(json.dumps(found))
    sys.exit(1 if missed else 0)
