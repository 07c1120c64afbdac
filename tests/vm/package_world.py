# SPDX-License-Identifier: GPL-2.0-only
"""What test_package.py and test_dkms.py look at: the machine as it was and is, what is under contract, what packages say."""
import json
import os
import shutil
import subprocess

from lab_test import build_program, expect, policy

DEADLINE = 6  # not in Python's os
WHERE = "/run/lab-test"
WORKER, LAPSE = f"{WHERE}/worker", f"{WHERE}/lapse"
LAYER = "/dev/qos-layer/files"
# What stays by intention: the books, logs and caches of dpkg, apt and systemd; the group qos and the user qosd-bus;
# what DKMS signs with, and the data base of the rpm that it asks.
STAYS = ("var/lib/dpkg/", "var/lib/apt/", "var/log/", "var/cache/", "var/lib/systemd/", "etc/group", "etc/gshadow",
         "etc/passwd", "etc/shadow", "etc/.pwd.lock", "var/lib/dkms/mok.", "root/.rpmdb/")


def sh(*words, check=True, timeout=900):
    """What it printed."""
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=timeout,
                          stdin=subprocess.DEVNULL, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def ctl(*words):
    return json.loads(sh("qosctl", "--json", *words))


def stats(name):
    return ctl("show", name)["streams"][0]["stats"]


def say(text):
    print(f"        {text}", flush=True)


def dpkg(verb, *what):
    """What it says is in dpkg.log beside the other results, line by line, since it takes long."""
    with open(os.path.join(os.environ["QOS_VM_OUT"], "dpkg.log"), "a", encoding="utf-8") as log:
        log.write(f"--- dpkg {verb}\n")
        log.flush()
        code = subprocess.run(["dpkg", verb, *what], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                              env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=False).returncode
    expect(code, 0, f"dpkg {verb} (see dpkg.log)")


def packages(directory, *names):
    """Their files, and their version."""
    files = sorted(os.path.join(directory, name) for name in os.listdir(directory)
                   if name.endswith(".deb") and name.split("_")[0] in names)
    expect(len(files), len(names), f"{directory} has other packages too: {files}")
    return files, sh("dpkg-deb", "-f", files[0], "Version").strip()


# --- the machine ---

def few_modules(driver):
    """In place of this kernel's 4000, all of which depmod would read each time: here that takes minutes."""
    place, few = f"/lib/modules/{os.uname().release}", f"{WHERE}/modules"
    os.makedirs(f"{few}/kernel/drivers/net")
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(f"{place}/{name}", few)
    os.symlink(os.path.realpath(f"{place}/build"), f"{few}/build")
    shutil.copytree(f"{place}/kernel/net/sched", f"{few}/kernel/net/sched")
    sh("sh", "-c", f"cp {place}/kernel/drivers/net/{driver}.ko* {few}/kernel/drivers/net")
    sh("mount", "--bind", few, place)
    sh("depmod")


def threads():
    """(policy, priority, reset on fork, nice, affinity) of each, by tid and start."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for tid in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{tid}/stat", encoding="utf-8", errors="replace") as stat:
                    name, _, rest = stat.read().rpartition(")")
                fields = rest.split()
                found[int(tid), fields[19], name] = (*policy(int(tid)), int(fields[16]),
                                                     tuple(os.sched_getaffinity(int(tid))))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


# What sysctl -a has and nobody sets; tainted: a module came that is not the kernel's own.
COUNTS = ("fs.file-nr", "fs.inode-nr", "fs.inode-state", "fs.dentry-state", "kernel.ns_last_pid", "kernel.pty.nr",
          "kernel.tainted")


def settings():
    """All of sysctl -a but that."""
    pairs = [line.split(" = ", 1) for line in sh("sysctl", "-a", check=False).splitlines() if " = " in line]
    return {name: value for name, value in pairs if name not in COUNTS}


class Machine:
    """Policies, queues and settings; what moves by itself between two looks is no setting."""

    def __init__(self):
        one, two = settings(), settings()
        self.settings = {name: value for name, value in one.items() if two.get(name) == value}
        self.queues = sh("tc", "-d", "qdisc", "show")
        self.threads = threads()
        say(f"{len(self.threads)} threads, {len(self.settings)} settings")

    def differences(self):
        """What of it is otherwise now; threads that ended do not count."""
        have = threads()
        changed = [f"{key}: {was} -> {have[key]}" for key, was in self.threads.items()
                   if have.get(key, was) != was]
        now = settings()
        changed += [f"{name}: {was} -> {now.get(name)}" for name, was in self.settings.items()
                    if now.get(name) != was]
        queues = sh("tc", "-d", "qdisc", "show")
        return changed + ([] if queues == self.queues else [self.queues, queues])


def written():
    """Files that differ from the host's: all that was written and still is there (c: what was removed)."""
    return set(sh("find", LAYER, "!", "-type", "d", "!", "-type", "c", "-printf", "%P\n").splitlines())


def left(before):
    """What was written since, and is neither gone nor to stay; and whatever else has our name."""
    return sorted(path for path in written() - before if not path.startswith(STAYS)) + traces()


def traces():
    """Names of ours outside of the layer: run directory, pins, groups of units, the module."""
    found = sh("find", "/run", "/sys/fs/cgroup", "/sys/module", "-maxdepth", "5", "-name", "*qos[d_]*", check=False).split()
    return found + sh("find", "/sys/fs/bpf", "-mindepth", "1").split()


# --- the system bus ---

MANAGER = ("org.qosd1", "/org/qosd1", "org.qosd1.Manager")
RULES = "/etc/polkit-1/rules.d/10-lab.rules"


def call(user, method, *words):
    """What the manager answers root or nobody, or the error's text."""
    become = () if user == "root" else ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")
    done = subprocess.run([*become, "busctl", "--system", "call", *MANAGER, method, *words],
                          capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    return done.stderr.strip() if done.returncode else done.stdout.strip()


def permit(action):
    """A rule of the site's for nobody."""
    with open(RULES, "w", encoding="utf-8") as out:
        out.write(f"""polkit.addRule(function(action, subject) {{
  if (action.id == "org.qosd1.{action}" && subject.user == "nobody")
    return polkit.Result.YES;
}});
""")
    os.chmod(RULES, 0o644)


# --- units and their contracts ---

# Less than dpkg and this test have, so that these get on beside the load.
UNIT = """[Service]
ExecStart={program}
CPUWeight=10
"""

CONTRACT = """version: 1
contract: {name}
accept: best-effort
match: {{unit: {name}.service}}
cpu: {{period: 100ms, runtime: 40ms, window: 2/10{more}}}
"""

LOAD = {f"load{i}": "/bin/sh -c 'while :; do :; done'" for i in range(4)}
WORKERS = {name: f"{WORKER} 100000 30000" for name in ("pump", "watched")}
# What the README's five commands are about: about 3 ms of work in each 40 ms. A loop of rt-app's takes 1.5 us
# in virtual time of shift 3 (its own calibration would take minutes).
CONTROL = {"control": f"/usr/bin/rt-app {WHERE}/control.json"}
CONTROL_JSON = {"global": {"duration": -1, "calibration": 1500, "logdir": WHERE},
                "tasks": {"control": {"loop": -1, "run": 3000, "timer": {"ref": "tick", "period": 40000}}}}


def start_units(programs):
    """The first process of each."""
    for name, program in programs.items():
        with open(f"/run/systemd/system/{name}.service", "w", encoding="utf-8") as out:
            out.write(UNIT.format(program=program))
    sh("systemctl", "daemon-reload")
    sh("systemctl", "start", *programs)
    return {name: int(sh("systemctl", "show", "-P", "MainPID", name)) for name in programs}


def stop_units(programs):
    sh("systemctl", "stop", *programs)
    for name in programs:
        os.unlink(f"/run/systemd/system/{name}.service")
    sh("systemctl", "daemon-reload")


LINK = """version: 1
contract: link
accept: best-effort
match: {exe: /usr/bin/true, user: root}
network:
  interface: lab1
  match: {proto: udp, dport: 5004, cgroup: /}
  rate: 12mbit
  packet: 1400B
  deadline: 50ms
  window: 2/100
"""


def drop_in(name, text):
    """Into the directory, as a person or a package would."""
    with open(f"/etc/qosd/contracts.d/{name}.yaml", "w", encoding="utf-8") as out:
        out.write(text)


def add_links():
    """lab0 has a queue that somebody gave it, lab1 is for qosd; a dummy has no speed that could be asked for."""
    for module in ("dummy", "sch_htb", "sch_ingress", "cls_bpf"):
        sh("modprobe", module)
    for name in ("lab0", "lab1"):
        sh("ip", "link", "add", name, "type", "dummy")
        sh("ip", "link", "set", name, "up")
    sh("tc", "qdisc", "add", "dev", "lab0", "root", "handle", "7:", "prio")
    os.makedirs("/etc/qosd", exist_ok=True)
    with open("/etc/qosd/qosd.yaml", "w", encoding="utf-8") as out:
        out.write("version: 1\nnetwork:\n  interfaces:\n    lab1: {capacity: 100mbit}\n")


def link_is_ours():
    return "qdisc htb 5105: root" in sh("tc", "qdisc", "show", "dev", "lab1")


def build_programs():
    os.makedirs(WHERE, exist_ok=True)
    build_program(WORKER, "worker.c")
    build_program(LAPSE, "lapse.c")
    with open(f"{WHERE}/control.json", "w", encoding="utf-8") as out:
        json.dump(CONTROL_JSON, out)
