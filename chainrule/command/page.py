"""The report as one page that needs nothing else: pictures are in it, and nothing is fetched."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence

from chainrule import __version__
from chainrule.command.learning import Trained
from chainrule.command.pictures import Picture, pictures_of
from chainrule.command.scores import MEANINGS, names_shown
from chainrule.command.texts import (
    architecture,
    by_importance,
    described,
    rounded,
    signed,
    target_described,
    verdict,
)

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1c2530; background: #fff;
       max-width: 62rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
.verdict { font-size: 1.15rem; border-left: 4px solid #2f6db3; padding: .3rem 0 .3rem 1rem; }
table { border-collapse: collapse; font-size: .92rem; }
th, td { padding: .3rem .9rem .3rem 0; text-align: left; vertical-align: top;
         border-bottom: 1px solid #e3e7ec; overflow-wrap: break-word; max-width: 34rem; }
th { font-weight: 600; color: #55606d; } td.number, th.number { text-align: right; }
td.best { font-weight: 700; } .quiet { color: #66717e; font-size: .9rem; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr));
            gap: 1.8rem 2.5rem; align-items: start; }
figure { margin: 0; min-width: 0; } figcaption { font-weight: 600; }
figure p { margin: .1rem 0 .6rem; max-width: 28rem; }
img { max-width: 100%; height: auto; display: block; }
"""


def page_of(trained: Trained, source: str) -> str:
    """Return the page as HTML."""
    schema = trained.schema
    title = f"Predicting {schema.target}"
    parts = [
        f"<h1>{_safe(title)}</h1>",
        f'<p class="quiet">Learned from {schema.rows:,} rows of {_safe(source)}, measured on '
        f"{schema.held_out:,} others that were held out; seed {schema.seed}, chainrule "
        f"{__version__}.</p>",
        f'<p class="verdict">{_safe(verdict(schema))}</p>',
        f"<p>{_safe(schema.why)} The target is {_safe(target_described(schema))}.</p>",
        "<h2>Scores on the held-out rows</h2>",
        _scores_table(schema.scores),
        '<h2>Pictures</h2><div class="pictures">',
        *map(_picture, pictures_of(trained)),
        "</div>",
        "<h2>Columns</h2>",
        _columns_table(trained),
    ]
    if schema.notes:
        notes = "".join(f"<li>{_safe(note)}</li>" for note in schema.notes)
        parts.append(f"<h2>What was left out or grouped</h2><ul>{notes}</ul>")
    network = trained.estimator.network_
    parts.append(f'<h2>The model</h2><p class="quiet">{_safe(architecture(network))}</p>')
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_safe(title)}</title><style>{STYLE}</style></head><body>"
        + "\n".join(parts)
        + "</body></html>\n"
    )


def _safe(text: str) -> str:
    return html.escape(str(text))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of cells that are HTML already."""
    lines = ["".join(head), *("".join(row) for row in rows)]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def _scores_table(scores: dict[str, dict[str, float]]) -> str:
    models = list(scores)
    rows = []
    for name in names_shown(scores):
        cells = [f"<td>{_safe(name)}</td>"]
        for model in models:
            value = scores[model].get(name)
            shown = "-" if value is None else rounded(value)
            bold = " best" if model == "network" else ""
            cells.append(f'<td class="number{bold}">{shown}</td>')
        rows.append([*cells, f'<td class="quiet">{_safe(MEANINGS[name])}</td>'])
    head = ["<th></th>", *(f'<th class="number">{_safe(model)}</th>' for model in models)]
    return _table([*head, "<th></th>"], rows)


def _columns_table(trained: Trained) -> str:
    columns = by_importance(trained.schema.columns) or trained.schema.columns
    rows = []
    for column in columns:
        importance = "" if column.importance is None else signed(column.importance)
        cells = [
            f"<td>{_safe(text)}</td>" for text in (column.name, column.kind, described(column))
        ]
        rows.append([*cells, f'<td class="number">{importance}</td>'])
    head = "<th>column</th><th>kind</th><th>what it held</th>"
    return _table([head, '<th class="number">importance</th>'], rows)


def _picture(picture: Picture) -> str:
    drawn = io.BytesIO()
    picture.figure.savefig(drawn, format="svg", metadata={"Date": None})
    data = base64.b64encode(drawn.getvalue()).decode()
    width = round(picture.figure.get_figwidth() * 80)
    return (
        f"<figure><figcaption>{_safe(picture.title)}</figcaption>"
        f'<p class="quiet">{_safe(picture.reading)}</p>'
        f'<img alt="{_safe(picture.title)}" width="{width}" '
        f'src="data:image/svg+xml;base64,{data}"></figure>'
    )
