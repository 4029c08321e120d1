"""A self-contained HTML page: its figures are embedded, and it loads no other file.

The page is a tree of elements. Plain text in it is escaped, so names from users' data are safe.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from chainrule.summary.display import html_table

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2530; background: #fff;
       max-width: 62rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; }
section { border-left: .35rem solid #999; background: #f7f7f7; padding: .6rem 1rem;
          margin: 1rem 0; }
section h2 { margin: 0 0 .3rem; }
section.problem { border-color: #b3261e; } section.warning { border-color: #b26a00; }
pre { background: #fff; border: 1px solid #ddd; padding: .6rem; overflow-x: auto; }
table { border-collapse: collapse; font-size: .92rem; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top;
         border-bottom: 1px solid #e3e7ec; overflow-wrap: break-word; max-width: 34rem; }
th { font-weight: 600; color: #55606d; }
.quiet { color: #66717e; font-size: .9rem; font-weight: normal; }
.summary { font-size: 1.15rem; border-left: 4px solid #2f6db3; padding: .3rem 0 .3rem 1rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr));
           gap: 1.8rem 2.5rem; align-items: start; }
figure { margin: 0; min-width: 0; } figcaption { font-weight: 600; }
svg { max-width: 100%; height: auto; }
"""


class Html(str):
    """Text that is HTML already, so it is not escaped again."""


def element(tag: str, *content: str, kind: str = "") -> Html:
    """Return an HTML element.

    Parameters
    ----------
    tag : str
        Such as ``"p"``.
    content : str
        Plain text, which is escaped, and other elements.
    kind : str
        The element's class in `STYLE`.

    >>> element("p", "a < b, ", element("b", "always"), kind="quiet")
    '<p class="quiet">a &lt; b, <b>always</b></p>'
    """
    import html  # loaded only for pages

    inner = "".join(c if isinstance(c, Html) else html.escape(c) for c in content)
    attributes = f' class="{kind}"' if kind else ""
    return Html(f"<{tag}{attributes}>{inner}</{tag}>")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], numbers: Any = ()) -> Html:
    """Return a table; `numbers` are the columns to align to the right."""
    return Html(html_table(header, rows, numbers=numbers))


def svg(figure: Any) -> Html:
    """Return a matplotlib figure as an element."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    return Html(file.getvalue()[file.getvalue().index("<svg") :])


def page(title: str, *content: str) -> str:
    """Return the whole page, with its title as the heading."""
    head = element("title", title) + f"<style>{STYLE}</style>"
    body = element("body", element("h1", title), *content)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">{head}</head>\n'
        f"{body}</html>\n"
    )
