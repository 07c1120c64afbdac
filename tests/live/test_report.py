#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The last hours of real threads under contract: jobs, latencies, adaptations, as text, JSON and page."""

import os
import unittest
import xml.dom.minidom

from contracts import contract, start_program
from instance import Instance, main, until


def only(report):
    """The one contract, and its one stream."""
    assert len(report["contracts"]) == 1, report
    streams = report["contracts"][0]["streams"]
    assert len(streams) == 1, streams
    return report["contracts"][0], streams[0]


class Report(unittest.TestCase):
    """What a person sees of the hours behind him."""

    def test_adaptation_with_its_reason(self):
        with Instance() as qosd:
            qosd.write("law", contract("law", "  range: {runtime: 2ms..12ms}\n"))
            qosd.start()
            start_program(qosd, "law", 20, 6)
            until("granted above use",
                  lambda: qosd.stream("law")["runtime"]["granted_ns"] > 6000000, 20)
            until("a point that is kept, and one that is not",
                  lambda: len(only(qosd.json("report", "law"))[1]["points"]) > 1, 20)
            law, stream = only(qosd.json("report", "law"))
            points = stream["points"]
            self.assertEqual(law["state"], "in-force")
            self.assertGreater(sum(point["jobs"] for point in points), 100)
            self.assertGreaterEqual(points[0]["to"] - points[0]["from"], 10)
            self.assertEqual(points[0]["to"], points[1]["from"])
            least, most = (ns // 1000 for ns in points[-1]["granted_ns"])
            self.assertTrue(least <= stream["granted_ns"] // 1000 <= most, points)
            self.assertLess(points[0]["granted_ns"][0], points[0]["granted_ns"][1])
            self.assertGreater(points[0]["used_ns"]["p99"], 6000000)
            self.assertGreater(sum(bucket["count"] for bucket in stream["latency"]), 100)
            adapted = [event for event in law["events"] if event["kind"] == "adapted"]
            self.assertIn("by law: ", adapted[0]["text"])

            text = qosd.ctl("report").stdout
            self.assertIn(adapted[0]["text"], text)
            self.assertIn("LATENCY BELOW", text)

            path = os.path.join(qosd.dir, "report.html")
            self.assertEqual(qosd.ctl("--quiet", "report", "--html", path).stdout, "")
            with open(path, encoding="utf-8") as file:
                page = file.read()
            self.assertEqual(page.count("<svg viewBox='0 0 760"), 3)
            self.assertIn("class='mark'", page)
            self.assertIn("by law: ", page)
            for svg in page.split("<svg")[1:]:
                xml.dom.minidom.parseString("<svg" + svg.split("</svg>")[0] + "</svg>")

    def test_of_whom_and_since_when(self):
        with Instance() as qosd:
            for name in ("one", "two"):
                qosd.write(name, contract(name))
            qosd.start()
            start_program(qosd, "one", 20, 1)
            until("points", lambda: qosd.json("report", "one")["contracts"][0]["streams"][0]["points"])
            names = [part["contract"] for part in qosd.json("report")["contracts"]]
            self.assertEqual(names, ["one", "two"])
            _, two = only(qosd.json("report", "two"))
            self.assertEqual(two["points"], [])
            self.assertIn("nothing was measured", qosd.ctl("report", "two").stdout)
            one, _ = only(qosd.json("report", "one", "--since", "1ns"))
            self.assertEqual(one["events"], [])
            self.assertEqual(qosd.ctl("report", "on", check=False).returncode, 4)
            qosd.remove("one")
            qosd.ctl("reload")
            gone = qosd.json("report", "one")["contracts"][0]
            self.assertIsNone(gone["state"])
            self.assertEqual(gone["streams"], [])
            self.assertEqual(gone["events"][-1]["kind"], "removed")


main()
