#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Metrics on the socket, by qosctl and as a file: judged by promtool, against clients that do not behave."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from contracts import PERIODIC, PYTHON, contract
from instance import Instance, main, until

PROMTOOL = os.environ.get("QOS_PROMTOOL") or shutil.which("promtool")
DEADLINE = 3.0
ROWS_MAX = 256


def connect(qosd):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(20)
    client.connect(os.path.join(qosd.run_dir, "metrics"))
    return client


def read_all(client):
    """(status line, headers, body) until the other side closes."""
    data = b""
    while True:
        more = client.recv(65536)
        if not more:
            break
        data += more
    head, _, body = data.decode().partition("\r\n\r\n")
    status, *headers = head.split("\r\n")
    return status, dict(line.split(": ", 1) for line in headers), body


def ask(qosd, request):
    with connect(qosd) as client:
        client.sendall(request.encode())
        return read_all(client)


def scrape(qosd, accept=""):
    status, headers, body = ask(qosd, f"GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}\r\n")
    if status != "HTTP/1.0 200 OK" or len(body) != int(headers["Content-Length"]):
        raise AssertionError(f"{status}: {len(body)} bytes, {headers}")
    return headers, body


def value(text, sample):
    found = re.search("^" + re.escape(sample) + " (.*)$", text, re.M)
    if not found:
        raise AssertionError(f"no {sample} in:\n{text}")
    return float(found.group(1))


def judge(text):
    """promtool's word on a text."""
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, text=True,
                          capture_output=True, check=False, timeout=60)
    if done.returncode or done.stdout or done.stderr:
        raise AssertionError(f"promtool: {done.returncode}\n{done.stdout}{done.stderr}")


class Metrics(unittest.TestCase):
    """The same figures everywhere, in forms that others accept."""

    def run_periodic(self, qosd):
        qosd.write("cam", contract("cam", "  latency: 100us\n"))
        qosd.start()
        qosd.run(PYTHON, PERIODIC, "cam", "20", "1")
        return until("50 jobs", lambda: qosd.stream("cam")["stats"]["jobs"] >= 50 and
                     qosd.stream("cam"))

    def test_figures_are_those_of_show(self):
        with Instance() as qosd:
            before = self.run_periodic(qosd)
            _, text = scrape(qosd)
            after = qosd.stream("cam")
            labels = '{contract="cam",stream="main"}'
            for key in ("jobs", "late", "served", "lost", "windows", "violations", "overruns",
                        "latency_passed"):
                figure = value(text, f"qosd_{key}_total{labels}")
                self.assertLessEqual(before["stats"][key], figure, key)
                self.assertLessEqual(figure, after["stats"][key], key)
            self.assertEqual(value(text, f"qosd_runtime_granted_seconds{labels}"), 0.004)
            self.assertEqual(value(text, f"qosd_threads{labels}"), 1)
            self.assertGreater(value(text, f"qosd_latency_seconds_count{labels}"), 40)
            self.assertEqual(value(text, 'qosd_contract_state{contract="cam",state="in-force"}'), 1)
            self.assertGreater(value(text, "qosd_cpu_seconds_total"), 0)
            self.assertGreater(value(text, "qosd_resident_memory_bytes"), 1e6)
            self.assertGreater(value(text, "qosd_turns_total"), 0)
            self.assertGreater(value(text, "qosd_turn_longest_seconds"), 0)
            self.assertGreater(value(text, "qosd_bpf_memory_bytes"), 1e4)
            self.assertLess(abs(value(text, "qosd_start_time_seconds") - time.time()), 120)

    @unittest.skipUnless(PROMTOOL, "promtool is not there (QOS_PROMTOOL)")
    def test_promtool_agrees(self):
        with Instance() as qosd:
            self.run_periodic(qosd)
            qosd.write('a"b', "no contract")
            qosd.json("reload", check=False)
            time.sleep(1.1)  # texts are a second old
            judge(scrape(qosd)[1])
            text = qosd.ctl("metrics").stdout
            self.assertIn('contract="a\\"b.yaml",state="invalid"} 1', text)
            judge(text)

    def test_openmetrics_is_for_who_asks(self):
        try:
            from prometheus_client.openmetrics.parser import text_string_to_metric_families
        except ImportError:
            self.skipTest("python3-prometheus-client is not there")
        with Instance() as qosd:
            self.run_periodic(qosd)
            accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n"
            headers, text = scrape(qosd, accept)
            self.assertTrue(headers["Content-Type"].startswith("application/openmetrics-text"))
            families = {family.name: family for family in text_string_to_metric_families(text)}
            self.assertEqual(families["qosd_jobs"].type, "counter")
            self.assertEqual(families["qosd_used_seconds"].unit, "seconds")
            self.assertEqual(families["qosd_latency_seconds"].type, "histogram")
            self.assertTrue(qosd.ctl("metrics", "--openmetrics").stdout.endswith("\n# EOF\n"))
            self.assertTrue(scrape(qosd)[0]["Content-Type"].startswith("text/plain; version=0.0.4"))

    def test_file(self):
        with Instance() as qosd:
            path = os.path.join(qosd.dir, "qosd.prom")
            with open(qosd.config, "w", encoding="utf-8") as out:
                out.write(f"slow-loop: 500ms\nmetrics: {{textfile: {path}}}\n")
            qosd.start()
            until("the file is there", lambda: os.path.exists(path))
            with open(path, encoding="utf-8") as text:
                self.assertEqual(value(text.read(), 'qosd_state{state="ok"}'), 1)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
            qosd.stop()
            self.assertFalse(os.path.exists(path))

    def test_rows_are_bounded(self):
        with Instance() as qosd:
            for i in range(ROWS_MAX + 5):
                qosd.write(f"bad{i:04}", "no contract")
            qosd.start()
            _, text = scrape(qosd)
            self.assertEqual(text.count('state="invalid"} 1'), ROWS_MAX)
            self.assertEqual(value(text, "qosd_left_out"), 5)


class Dashboard(unittest.TestCase):
    """What Grafana would ask, judged by promtool; the names are tests/unit/test_metrics.c's affair."""

    @unittest.skipUnless(PROMTOOL, "promtool is not there (QOS_PROMTOOL)")
    def test_queries_are_promql(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../packaging/grafana/qosd.json")
        with open(path, encoding="utf-8") as dashboard:
            queries = [target["expr"] for panel in json.load(dashboard)["panels"]
                       for target in panel.get("targets", [])]
        rules = [{"record": f"query:{i}", "expr": re.sub(r"\$__\w+", "5m", query)}
                 for i, query in enumerate(queries)]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as out:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, out)
            out.flush()
            done = subprocess.run([PROMTOOL, "check", "rules", out.name], capture_output=True,
                                  text=True, check=False, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn(f"SUCCESS: {len(queries)} rules found", done.stdout)


class Clients(unittest.TestCase):
    """Nobody holds the daemon up."""

    def test_curl(self):
        if not shutil.which("curl"):
            self.skipTest("curl is not there")
        with Instance() as qosd:
            qosd.start()
            done = subprocess.run(
                ["curl", "--silent", "--show-error", "--fail", "--unix-socket",
                 os.path.join(qosd.run_dir, "metrics"), "http://qosd/metrics"],
                capture_output=True, text=True, check=True, timeout=30)
            self.assertIn("qosd_turns_total", done.stdout)

    def test_wrong_requests(self):
        with Instance() as qosd:
            qosd.start()
            for request, status in (("GET / HTTP/1.0\r\n\r\n", "404"),
                                    ("GET /metricsx HTTP/1.0\r\n\r\n", "404"),
                                    ("GET\n\n", "405"),
                                    ("POST /metrics HTTP/1.0\r\n\r\n", "405"),
                                    ("GET /metrics HTTP/1.0\r\nX: " + "x" * 5000, "431"),
                                    ("GET /metrics?x=1 HTTP/1.0\n\n", "200")):
                self.assertEqual(ask(qosd, request)[0].split()[1], status, request[:40])

    def test_silent_ones_wait_for_nobody(self):
        with Instance() as qosd:
            qosd.start()
            silent = [connect(qosd) for _ in range(12)]
            begin = time.monotonic()
            self.assertEqual(qosd.json("status")["state"], "ok")
            self.assertLess(time.monotonic() - begin, 2)
            scrape(qosd)
            self.assertLess(time.monotonic() - begin, 3 * DEADLINE)
            self.assertEqual(silent[0].recv(1), b"")
            for client in silent:
                client.close()

    def test_so_many_a_second(self):
        with Instance() as qosd:
            qosd.start()
            end, n = time.monotonic() + 3, 0
            while time.monotonic() < end:
                self.assertTrue(scrape(qosd))
                n += 1
            self.assertLess(n, 500)

    def test_who_does_not_read_is_cut_off(self):
        with Instance() as qosd:
            for i in range(ROWS_MAX):
                qosd.write(f"bad-{i:0200}", "no contract")  # more than a socket holds
            qosd.start()
            with connect(qosd) as client:
                client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
                time.sleep(DEADLINE + 1)
                _, headers, body = read_all(client)
            self.assertLess(len(body), int(headers["Content-Length"]))
            scrape(qosd)


main()
