#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""org.qosd1(5) with a real bus and a real polkit: who gets what, what is told, and who goes away."""

import contextlib
import os
import signal
import socket
import time
import unittest

import raw_bus
from contracts import RANGE, contract, start_program
from instance import main, until
from system_bus import QOS_GID, USERS, SystemBus, own_namespace

CAM = "/org/qosd1/contract/cam"
ACCEPT = "accept: best-effort\n"  # whatever else the machine does
MANAGER, CONTRACT = "org.qosd1.Manager", "org.qosd1.Contract"


class Base(unittest.TestCase):
    """With contracts cam, which has a range, and other."""

    polkit = True

    @classmethod
    def setUpClass(cls):
        cls.bus = SystemBus(cls.polkit)
        cls.bus.qosd.write("cam", contract("cam", RANGE, top=ACCEPT))
        cls.bus.qosd.write("other", contract("other", top=ACCEPT))
        cls.addClassCleanup(cls.bus.__exit__)
        cls.bus.__enter__()

    def setUp(self):
        time.sleep(1.1)  # the last test's calls count no more

    def granted(self):
        return self.bus.qosd.stream("cam")["runtime"]["granted_ns"]


class Rights(Base):
    """Nobody gets anything but by root's, the group's or polkit's word."""

    def refused(self, user, method, *words):
        self.assertRegex(self.bus.call(user, method, *words), "^error: .*(polkit says no|administrator has to)",
                         (user, method))

    def test_stranger_gets_nothing(self):
        for method, *words in (("Adjust", "sstt", "cam", "cpu.runtime", "5000000", "0"),
                               ("Revert", "ss", "cam", ""), ("Readmit", "s", "cam"), ("Reload",),
                               ("ListContracts",), ("GetContract", "s", "cam"), ("Report", "s", "status"),
                               ("Explain", "t", "1")):
            self.refused("stranger", method, *words)
        self.assertEqual(self.granted(), 4000000)

    def test_doctor_finds_all(self):
        bus = self.bus.doctor()
        self.assertEqual((bus["answers"], bus["actions"], bus["qosd"], bus["polkit"]), (True, True, "present", "present"))
        self.assertEqual((bus["cost"], bus["remedy"]), ("", ""))

    def test_doctor_without_the_gateway(self):
        self.bus.stop_gateway()
        bus = self.bus.doctor()
        self.bus.start_gateway()
        self.assertEqual((bus["qosd"], bus["polkit"]), ("absent", "present"))
        self.assertIn("private socket", bus["cost"])

    def test_stranger_sees_no_property(self):
        for path, face, name in ((CAM, CONTRACT, "State"), ("/org/qosd1", MANAGER, "State")):
            self.assertRegex(self.bus.property("stranger", path, face, name), "^error")
        shown = self.bus.busctl("stranger", "introspect", "org.qosd1", CAM).stdout
        self.assertNotIn("in-force", shown)
        self.assertNotIn("cam", self.bus.busctl("stranger", "tree", "org.qosd1").stdout)

    def test_reader_reads_only(self):
        self.assertIn('"cam" "in-force" "/org/qosd1/contract/cam"', self.bus.call("reader", "ListContracts"))
        self.assertEqual(self.bus.property("reader", CAM, CONTRACT, "State"), 's "in-force"')
        self.assertIn(CAM, self.bus.busctl("reader", "tree", "org.qosd1").stdout)
        self.refused("reader", "Adjust", "sstt", "cam", "cpu.runtime", "5000000", "0")
        self.refused("reader", "Reload")

    def test_polkit_decides_by_contract_and_attribute(self):
        said = self.bus.call("granted", "Adjust", "sstt", "cam", "cpu.runtime", "5000000", "60000000000")
        self.assertEqual(said, "tt 4000000 5000000")
        self.assertEqual(self.granted(), 5000000)
        events = self.bus.qosd.ctl("events", "cam").stdout
        self.assertRegex(events, r"\(uid 64004\): adjust over the bus")
        for words in (("other", "cpu.runtime"), ("cam", "cpu.other.runtime")):
            self.refused("granted", "Adjust", "sstt", *words, "5000000", "0")
        self.assertEqual(self.bus.call("granted", "Revert", "ss", "cam", "cpu.runtime"), "u 1")
        self.assertEqual(self.granted(), 4000000)
        self.refused("granted", "Reload")
        self.refused("granted", "GetContract", "s", "cam")

    def test_an_attribute_has_one_name(self):
        for name in ("cpu.runtime", "cpu.main.runtime"):
            self.assertEqual(self.bus.call("watcher", "Adjust", "sstt", "cam", name, "5000000", "0"), "tt 4000000 5000000")
            self.assertEqual(self.bus.call("watcher", "Revert", "ss", "cam", name), "u 1")
        self.refused("watcher", "Revert", "ss", "cam", "")

    def test_polkit_lets_read(self):
        self.assertIn("in-force", self.bus.call("watcher", "GetContract", "s", "cam"))
        self.refused("watcher", "Reload")

    def test_root_needs_no_polkit(self):
        self.assertEqual(self.bus.call("root", "Reload"), 'asasas 2 "cam" "other" 0 0')
        latest = self.bus.qosd.json("status")["generations"]["latest"][-1]
        self.assertEqual((latest["by"], latest["uid"]), ("reload over the bus", 0))
        self.assertIn("not in quarantine", self.bus.call("root", "Readmit", "s", "cam"))

    def test_gateway_may_not_do_all(self):
        for method, *args in (("Panic",), ("Confirm", "b", True), ("Guard", "sst", "x", "y", 0), ("Reload",),
                              ("Adjust", "sstt", "cam", "cpu.runtime", 5000000, 0), ("Plan", "a(sss)", b"\0" * 8)):
            with raw_bus.Peer(self.bus.qosd.socket, USERS["qosd-bus"][0], QOS_GID) as peer:
                self.assertEqual(peer.call(MANAGER, method, *args)[0], "org.qosd1.Error.AccessDenied", method)
        self.assertEqual(self.granted(), 4000000)

    def test_reader_has_no_gateway(self):
        for uid in (USERS["reader"][0], 0):
            with raw_bus.Peer(self.bus.qosd.socket, uid, QOS_GID) as peer:
                self.assertEqual(peer.call("org.qosd1.Gateway", "Reload", "u", 0)[0],
                                 "org.freedesktop.DBus.Error.UnknownMethod")


class Grammar(Base):
    """What is no name goes no further."""

    def test_names(self):
        for name in ("", "../cam", "CAM", "a b", "cam\n", "c" * 33, "c" * 100000):
            self.assertIn("no name of a contract", self.bus.call("root", "GetContract", "s", name), name[:40])
        for attribute in ("", "runtime", "cpu.", "cpu..runtime", "cpu.a.b.runtime", "cpu.x/y.runtime",
                          "cpu." + "s" * 40 + ".runtime", "net.main.rate"):
            self.assertIn("attributes have the form", self.bus.call(
                "root", "Adjust", "sstt", "cam", attribute, "5000000", "0"), attribute)
        self.assertIn("reports are", self.bus.call("root", "Report", "s", "show"))
        self.assertIn("no process", self.bus.call("root", "Explain", "t", "99999999999"))

    def test_the_daemons_own_words(self):
        self.assertIn("NoSuchContract", self.bus.as_user(
            "root", "gdbus", "call", "--system", "--dest", "org.qosd1", "--object-path", "/org/qosd1",
            "--method", "org.qosd1.Manager.GetContract", "nothing").stderr)
        self.assertRegex(self.bus.call("root", "Adjust", "sstt", "cam", "cpu.runtime", "900000000", "0"),
                         "^error: .*lies outside")
        self.assertEqual(self.granted(), 4000000)

    def test_what_is_missing(self):
        self.assertRegex(self.bus.property("root", CAM, CONTRACT, "Nothing"), "no such property")
        self.assertRegex(self.bus.property("root", "/org/qosd1/contract/nothing", CONTRACT, "State"), "^error")
        done = self.bus.busctl("root", "set-property", "org.qosd1", CAM, CONTRACT, "State", "s", "x")
        self.assertNotEqual(done.returncode, 0)


class Judges(Base):
    """Foreign tools understand it."""

    def test_busctl_introspect(self):
        shown = self.bus.busctl("root", "introspect", "org.qosd1", CAM).stdout
        for words in (r"\.Streams +property +a\(sssttttt\) +1 \"main\"", r"\.State +property +s +\"in-force\" +emits-change",
                      r"\.Violations +property +t +0 "):
            self.assertRegex(shown, words)

    def test_gdbus_introspect(self):
        done = self.bus.as_user("root", "gdbus", "introspect", "--system", "--dest", "org.qosd1",
                                "--object-path", "/org/qosd1", "--recurse")
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("Adjust(in  s", "node /org/qosd1/contract/cam", "readonly s Guarantee = '"):
            self.assertIn(words, done.stdout)


class Signals(Base):
    """What changes is told to who may know."""

    def monitor(self, user):
        become = () if user == "root" else ("setpriv", "--reuid=" + user, "--regid=" + user, "--init-groups")
        log = os.path.join(self.bus.qosd.dir, "monitor-" + user)
        with open(log, "w", encoding="utf-8") as out:
            program = self.bus.qosd.run(*become, "stdbuf", "-oL", "gdbus", "monitor", "--system", "--dest",
                                        "org.qosd1", stdout=out, env=self.bus.address)
        return program, log

    @staticmethod
    def text(log):
        with open(log, encoding="utf-8") as out:
            return out.read()

    def test_properties_changed(self):
        watchers = {user: self.monitor(user) for user in ("reader", "stranger")}
        for _, log in watchers.values():
            until("the monitor", lambda log=log: "is owned by" in self.text(log))
        reader, stranger = (watchers[user][1] for user in ("reader", "stranger"))
        self.bus.call("root", "Adjust", "sstt", "cam", "cpu.runtime", "6000000", "0")
        until("the new runtime is told", lambda: "uint64 6000000" in self.text(reader))
        self.assertRegex(self.text(reader), CAM + r": org.freedesktop.DBus.Properties.PropertiesChanged "
                         r"\('org.qosd1.Contract', {.*'Streams'")
        self.assertIn("org.qosd1.Manager.Adapted ('cam', 'main'", self.text(reader))
        self.bus.qosd.remove("other")
        self.bus.call("root", "Reload")
        until("the other's properties are invalid", lambda: "contract/other: org.freedesktop.DBus.Properties"
              ".PropertiesChanged ('org.qosd1.Contract', @a{sv} {}" in self.text(reader))
        self.assertIn("ContractChanged ('other', '', 'removed')", self.text(reader))
        self.assertNotIn("Changed", self.text(stranger))
        for program, _ in watchers.values():
            program.terminate()

    def test_violations_are_told(self):
        """Of ten periods the program lets nine pass."""
        self.bus.qosd.write("mute", contract("mute", "  silence: lost\n", top=ACCEPT))
        self.bus.call("root", "Reload")
        start_program(self.bus.qosd, "mute", 200, 1)

        def violations():
            time.sleep(0.5)
            found = self.bus.property("reader", "/org/qosd1/contract/mute", CONTRACT, "Violations")
            self.assertTrue(found.startswith("t "), found)
            return found != "t 0"
        until("a violation in the properties", violations, 30)
        self.bus.qosd.remove("mute")
        self.bus.call("root", "Reload")


class Life(Base):
    """Each of the two may go and come back."""

    def test_daemon_goes_and_comes(self):
        program, log = Signals.monitor(self, "reader")
        until("the monitor", lambda: "is owned by" in Signals.text(log))
        self.bus.qosd.stop(signal.SIGKILL)
        until("properties are invalid", lambda: CAM + ": org.freedesktop.DBus.Properties.PropertiesChanged "
              "('org.qosd1.Contract', @a{sv} {}, ['State'" in Signals.text(log))
        self.assertIn("{'State': <'gone'>}", Signals.text(log))
        self.assertIn("qosd is not running", self.bus.call("root", "ListContracts"))
        self.bus.qosd.start()
        until("the gateway is back", lambda: "in-force" in self.bus.call("root", "ListContracts")
              or time.sleep(0.3), 20)
        until("it is told", lambda: CAM + ": org.freedesktop.DBus.Properties.PropertiesChanged "
              "('org.qosd1.Contract', {'State': <'in-force'>" in Signals.text(log))
        program.terminate()

    def test_gateway_goes_and_comes(self):
        self.bus.gateway.send_signal(signal.SIGKILL)
        self.bus.gateway.wait()
        self.assertEqual(self.bus.qosd.json("status")["counts"]["in_force"], 2)
        self.bus.start_gateway()
        self.assertIn("in-force", self.bus.call("root", "GetContract", "s", "cam"))

    def test_gateway_stops_clean(self):
        self.bus.gateway.send_signal(signal.SIGTERM)
        self.assertEqual(self.bus.gateway.wait(10), 0)
        self.bus.start_gateway()


class Limits(Base):
    """One user's calls are bounded, and are no other's."""

    def test_rate(self):
        # not gdbus: it introspects first, which counts too
        loop = "for i in $(seq 60); do busctl --system call org.qosd1 /org/qosd1 org.qosd1.Manager ListContracts & done; wait"
        done = self.bus.as_user("reader", "sh", "-c", loop)
        self.assertIn("too many calls", done.stderr)
        self.assertIn("in-force", done.stdout, done.stderr)
        self.assertIn("in-force", self.bus.call("root", "ListContracts"))
        self.assertIn("in-force", self.bus.call("watcher", "GetContract", "s", "cam"))


class PrivateLimits(Base):
    """The same on the private socket, however many connections a user makes."""

    def answers(self, uid, n):
        """How many of n calls, on connections with 15 each, are answered."""
        call = raw_bus.message(1, MANAGER, "Report", "ss", raw_bus.body_of("ss", ("list", "")))
        answered = 0
        for _ in range(n // 15):
            with contextlib.suppress(OSError), raw_bus.Peer(self.bus.qosd.socket, uid, QOS_GID) as peer:
                peer.send(call * 15)
                for _ in range(15):
                    peer.read()
                    answered += 1
        return answered

    def test_calls(self):
        self.assertEqual(self.answers(0, 60), 60)
        self.assertLess(self.answers(USERS["reader"][0], 90), 75)
        self.assertEqual(self.answers(USERS["watcher"][0], 15), 15)

    def test_connections(self):
        refused = 0
        for _ in range(200):
            try:
                raw_bus.Peer(self.bus.qosd.socket, USERS["reader"][0], QOS_GID).socket.close()
            except OSError:
                refused += 1
        self.assertGreater(refused, 50)
        self.assertEqual(self.answers(0, 15), 15)
        self.assertEqual(self.answers(USERS["watcher"][0], 15), 15)


class Descriptors(Base):
    """What a call brings beside its bytes reaches neither program: they have few, and need them."""

    def test_gateway(self):
        """Eight calls that wait for polkit, with as many descriptors as the bus lets a message have, are more
        than the unit's LimitNOFILE."""
        with open(os.devnull, "rb") as null, raw_bus.Peer(
                self.bus.socket, *USERS["stranger"][:1] * 2, bus=True, fds=True) as peer:
            self.assertTrue(peer.agreed)
            for serial in range(2, 10):
                socket.send_fds(peer.socket, [raw_bus.message(serial, MANAGER, "ListContracts", fds=16,
                                                              destination="org.qosd1")], [null.fileno()] * 16)
            answers = {}
            while len(answers) < 8:
                kind, answered, error, _ = peer.read()
                if kind in (2, 3):
                    answers[answered] = error
        self.assertEqual(set(answers.values()), {"org.freedesktop.DBus.Error.NotSupported"})
        self.assertIsNone(self.bus.gateway.poll())

    def test_daemon(self):
        with raw_bus.Peer(self.bus.qosd.socket, USERS["reader"][0], QOS_GID, fds=True) as peer:
            self.assertFalse(peer.agreed)


class Sizes(Base):
    """A client can announce 128 MiB; it is cut off long before."""

    def locked_kib(self):
        with open(f"/proc/{self.bus.qosd.daemon.pid}/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))

    def test_one_message(self):
        before = self.locked_kib()
        for user in ("reader", "qosd-bus"):
            with raw_bus.Peer(self.bus.qosd.socket, USERS[user][0], QOS_GID) as peer:
                call = bytearray(raw_bus.message(1, MANAGER, "Report", "ss"))
                call[4:8] = (100 << 20).to_bytes(4, "little")
                peer.send(bytes(call))
                with self.assertRaises((BrokenPipeError, ConnectionResetError)):
                    for _ in range(256):
                        peer.send(bytes(1 << 16))
        self.assertLess(self.locked_kib() - before, 4096)

    def test_many_messages(self):
        """What was handled does not count."""
        with raw_bus.Peer(self.bus.qosd.socket, USERS["reader"][0], QOS_GID) as peer:
            for _ in range(18):
                self.assertEqual(peer.call(MANAGER, "Report", "ss", "x" * 30000, "")[0], "org.qosd1.Error.Invalid")
            self.assertIsNone(peer.call(MANAGER, "Report", "ss", "list", "")[0])


class WithoutPolkit(Base):
    """Root changes, the group reads, nobody else anything."""

    polkit = False

    def test_who_may_what(self):
        self.assertIn("in-force", self.bus.call("reader", "ListContracts"))
        for user, method in (("watcher", "ListContracts"), ("reader", "Reload")):
            self.assertIn("without polkit", self.bus.call(user, method))
        self.assertIn("asasas", self.bus.call("root", "Reload"))

    def test_doctor_names_the_remedy(self):
        bus = self.bus.doctor()
        self.assertEqual((bus["answers"], bus["qosd"], bus["polkit"]), (True, "present", "absent"))
        self.assertIn("only root may change", bus["cost"])
        self.assertIn("polkitd", bus["remedy"])


own_namespace()
main()
