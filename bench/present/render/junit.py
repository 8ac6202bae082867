"""A report on a comparison becomes JUnit XML: one test case per metric and cell."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from bench.present.compared import GateReport
from bench.present.report import plain

_KINDS = {"failures": "failure", "errors": "error", "skipped": "skipped"}


def render(report: GateReport) -> str:
    """A failure for a comparison by which the gate fails, an error where nothing was measured, a skip if undecided."""
    results = [finding.state for finding in report.findings]
    counts = {name: results.count(of) for name, of in _KINDS.items()} | {"tests": len(results)}
    facts = {"name": plain(report.title), **{name: str(count) for name, count in counts.items()}}
    root = Element("testsuites", facts)
    suite = SubElement(root, "testsuite", facts)
    for finding, result in zip(report.findings, results, strict=True):
        case = SubElement(suite, "testcase", {"classname": plain(finding.metric), "name": plain(finding.where)})
        if result:
            SubElement(case, result, {"message": plain(finding.text), "type": finding.verdict})
        else:
            SubElement(case, "system-out").text = plain(finding.text)
    indent(root)
    return tostring(root, encoding="unicode", xml_declaration=True) + "\n"
