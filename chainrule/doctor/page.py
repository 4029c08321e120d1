"""The report as an HTML page that needs no other file, with its figure inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainrule.doctor.conditions.condition import Finding
from chainrule.summary.page import Html, element, page, svg, table


def page_of(verdict: str, findings: Sequence[Finding], figure: Any, about: str = "") -> str:
    """Return the page.

    Parameters
    ----------
    verdict : str
        The report in one line, the page's heading.
    findings : sequence of Finding
        The root causes.
    figure : matplotlib.figure.Figure
        What was measured.
    about : str
        What was examined.
    """
    return page(
        verdict,
        element("p", about, kind="quiet"),
        *map(_section, findings),
        element("h2", "What was measured"),
        svg(figure),
    )


def _section(finding: Finding) -> Html:
    measured = [(e.what, e.text, e.healthy) for e in finding.evidence]
    follows = [
        element("li", element("b", f.id), f" ({f.where}): {f.summary}")
        for f in finding.consequences
    ]
    return element(
        "section",
        element(
            "h2",
            f"{finding.severity}: {finding.id} ",
            element("span", f"({finding.where})", kind="quiet"),
        ),
        element("p", finding.summary),
        table(("measured", "value", "healthy"), measured),
        element("p", finding.cause),
        element("pre", finding.remedy),
        element("p", f"More: {finding.page}"),
        *[element("p", "What follows from it:"), element("ul", *follows)] * bool(follows),
        kind=finding.severity,
    )
