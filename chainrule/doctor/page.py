"""The report as an HTML page: one file with its pictures, which fetches nothing."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from typing import Any

from chainrule.doctor.conditions.condition import Finding

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 0 0 .3rem; }
section { border-left: .35rem solid #999; padding: .6rem 1rem; margin: 1rem 0;
          background: #f7f7f7; }
section.problem { border-color: #b3261e; } section.warning { border-color: #b26a00; }
pre { background: #fff; border: 1px solid #ddd; padding: .6rem; overflow-x: auto; }
table { border-collapse: collapse; margin: .4rem 0; }
td { text-align: left; padding: .15rem .8rem .15rem 0; vertical-align: top; }
.where { color: #666; font-weight: normal; } svg { max-width: 100%; height: auto; }
"""


def page_of(verdict: str, findings: Sequence[Finding], figure: Any, about: str = "") -> str:
    """Return the page; `about` says what was examined."""
    told = f'<p class="where">{html.escape(about)}</p>\n' if about else ""
    sections = "\n".join(_section(finding) for finding in findings)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{html.escape(verdict)}</title><style>{STYLE}</style></head>\n<body>\n"
        f"<h1>{html.escape(verdict)}</h1>\n{told}{sections}\n"
        f"<h2>What was measured</h2>\n{as_svg(figure)}\n</body>\n</html>\n"
    )


def _section(finding: Finding) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(e.what)}</td><td><b>{html.escape(e.text)}</b></td>"
        f"<td>healthy: {html.escape(e.healthy)}</td></tr>"
        for e in finding.evidence
    )
    follows = "".join(
        f"<li><b>{html.escape(f.id)}</b> ({html.escape(f.where)}): {html.escape(f.summary)}</li>"
        for f in finding.consequences
    )
    follows = f"<p>What follows from it:</p><ul>{follows}</ul>" if follows else ""
    return (
        f'<section class="{finding.severity}"><h2>{finding.severity}: {html.escape(finding.id)} '
        f'<span class="where">({html.escape(finding.where)})</span></h2>'
        f"<p>{html.escape(finding.summary)}</p><table>{rows}</table>"
        f"<p>{html.escape(finding.cause)}</p><pre>{html.escape(finding.remedy)}</pre>"
        f"<p>More: {html.escape(finding.page)}</p>{follows}</section>"
    )


def as_svg(figure: Any) -> str:
    """Return a figure as SVG, for use inside HTML."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()[file.getvalue().index("<svg") :]
