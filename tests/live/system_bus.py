# SPDX-License-Identifier: GPL-2.0-only
"""A system bus of the test's own: users, a dbus-daemon with the packaged policy, a real polkitd with the
packaged actions and a rule of the test's, and the gateway. All of it in a mount namespace, so that the
machine's users, actions and rules are what they were."""

import json
import os
import shutil
import subprocess
import sys

from instance import BUILD, QOSCTL, Instance, until

FRONT = os.path.join(BUILD, "daemon/qosd-bus")
PACKAGING = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging")
POLKITD = "/usr/lib/polkit-1/polkitd"

# name: (uid, groups)
USERS = {"qosd-bus": (64001, ["qos"]), "stranger": (64002, []), "reader": (64003, ["qos"]),
         "granted": (64004, []), "watcher": (64005, [])}
QOS_GID = 64000

CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Introspectable"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Properties"/>
  </policy>
  <policy user="root">
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
  </policy>
  <include>/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf</include>
  <include>{packaging}/dbus/org.qosd1.conf</include>
</busconfig>
"""

RULE = """polkit.addRule(function(action, subject) {
  if (action.id == "org.qosd1.adjust" && subject.user == "granted" &&
      action.lookup("contract") == "cam" && action.lookup("attribute") != "cpu.other.runtime")
    return polkit.Result.YES;
  if (action.id == "org.qosd1.adjust" && subject.user == "watcher" &&
      action.lookup("attribute") == "cpu.main.runtime")
    return polkit.Result.YES;
  if (action.id == "org.qosd1.read" && subject.user == "watcher")
    return polkit.Result.YES;
});
"""


def own_namespace():
    """Starts the test again in a mount namespace of its own, once; skips it where something is missing."""
    if os.environ.get("QOS_OWN_MOUNTS") or os.geteuid() != 0:
        return
    for program in ("dbus-daemon", "gdbus", "busctl", POLKITD):
        if not shutil.which(program):
            print(f"skipped: needs {program}")
            sys.exit(77)
    os.environ["QOS_OWN_MOUNTS"] = "1"
    os.execvp("unshare", ["unshare", "-m", sys.executable, *sys.argv])


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def bind_with(path, place, more):
    """`path` with more lines in this mount namespace."""
    copy = os.path.join(place, os.path.basename(path))
    shutil.copy(path, copy)
    with open(copy, "a", encoding="utf-8") as out:
        out.write(more)
    subprocess.run(["mount", "--bind", copy, path], check=True)


class SystemBus:
    """Bus, polkit, daemon and gateway; a context manager."""

    def __init__(self, polkit=True):
        self.polkit = polkit
        self.qosd = Instance()
        self.gateway = None
        self.socket = os.path.join(self.qosd.dir, "bus")
        self.mounts = []

    def __enter__(self):
        os.chmod(self.qosd.dir, 0o711)
        self.users()
        config = os.path.join(self.qosd.dir, "bus.conf")
        write(config, CONFIG.format(socket=self.socket, packaging=os.path.abspath(PACKAGING)))
        self.qosd.run("dbus-daemon", "--nofork", "--nopidfile", "--config-file=" + config)
        until("the bus", lambda: os.path.exists(self.socket))
        if self.polkit:
            self.authority()
        self.qosd.start()
        self.start_gateway()
        return self

    def __exit__(self, *_):
        self.qosd.__exit__()
        for path in reversed(self.mounts):
            subprocess.run(["umount", path], check=True)

    @property
    def address(self):
        return {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=" + self.socket}

    def users(self):
        place = os.path.join(self.qosd.dir, "users")
        os.mkdir(place, 0o755)
        passwd = "".join(f"{name}:x:{uid}:{uid}::/:/bin/sh\n" for name, (uid, _) in USERS.items())
        members = ",".join(name for name, (_, groups) in USERS.items() if groups)
        group = f"qos:x:{QOS_GID}:{members}\n"
        group += "".join(f"{name}:x:{uid}:\n" for name, (uid, _) in USERS.items())
        for path, more in (("/etc/passwd", passwd), ("/etc/group", group)):
            bind_with(path, place, more)
            self.mounts.append(path)

    def authority(self):
        actions = os.path.join(self.qosd.dir, "actions")
        rules = os.path.join(self.qosd.dir, "rules")
        shutil.copytree("/usr/share/polkit-1/actions", actions)
        shutil.copy(os.path.join(PACKAGING, "polkit/org.qosd1.policy"), actions)
        os.mkdir(rules, 0o755)
        write(os.path.join(rules, "10-test.rules"), RULE)
        for source, path in ((actions, "/usr/share/polkit-1/actions"),
                             (rules, "/usr/share/polkit-1/rules.d")):
            subprocess.run(["mount", "--bind", source, path], check=True)
            self.mounts.append(path)
        self.qosd.run(POLKITD, "--no-debug", env=self.address)
        until("polkitd", lambda: "PolicyKit1" in self.busctl("root", "list").stdout)

    def start_gateway(self):
        self.gateway = self.qosd.run("prlimit", "--nofile=64", "setpriv", "--reuid=qosd-bus", "--regid=qosd-bus",
                                     "--init-groups", "--bounding-set=-all", "--no-new-privs", FRONT, "--socket",
                                     self.qosd.socket, env=self.address)  # the unit's limit
        until("the gateway", lambda: self.state() not in (None, "gone"))

    def stop_gateway(self):
        self.gateway.kill()
        self.gateway.wait()
        until("the bus knows", lambda: "org.qosd1" not in self.busctl("root", "list").stdout)

    # callers

    def as_user(self, user, *command, **options):
        become = () if user == "root" else ("setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups")
        options.setdefault("timeout", 60)
        return subprocess.run([*become, *command], capture_output=True, text=True, check=False,
                              env=self.address, **options)

    def busctl(self, user, *words):
        return self.as_user(user, "busctl", "--system", "--no-pager", *words)

    def call(self, user, method, *words):
        """busctl call of the manager; its output, or the error's text."""
        done = self.busctl(user, "call", "org.qosd1", "/org/qosd1", "org.qosd1.Manager", method, *words)
        return done.stdout.strip() if done.returncode == 0 else "error: " + done.stderr.strip()

    def property(self, user, path, interface, name):
        done = self.busctl(user, "get-property", "org.qosd1", path, interface, name)
        return done.stdout.strip() if done.returncode == 0 else "error: " + done.stderr.strip()

    def doctor(self):
        """What doctor says of this bus."""
        done = self.as_user("root", QOSCTL, "--socket", self.qosd.socket, "--json", "doctor")
        return json.loads(done.stdout)["bus"]

    def state(self):
        found = self.property("root", "/org/qosd1", "org.qosd1.Manager", "State")
        return None if found.startswith("error") else found.split('"')[1]

    def metric(self, name):
        text = subprocess.run([QOSCTL, "--socket", self.qosd.socket, "metrics"], capture_output=True,
                              text=True, check=True).stdout
        for line in text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        raise AssertionError(f"no metric {name}")
