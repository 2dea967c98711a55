"""A study's findings as one HTML file, without scripts or other hosts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from scenarios.study.compare import RATIOS, Findings
from scenarios.study.export import differences_table, means_table
from scenarios.study.figures import differences_figure, means_figure, svg
from scenarios.study.metrics import METRICS

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2d36; max-width: 72rem; margin: 2rem auto; }
body { padding: 0 1rem; }
h1, h2 { color: #1f3a4d; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #e3e8ec; text-align: right; white-space: nowrap; }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left; }
figure { margin: 1.5rem 0; } figure svg { max-width: 100%; height: auto; }
figcaption { color: #5b6b76; font-size: 13px; }
"""


def study_page(found: Findings, name: str) -> str:
    """Return the page of a study called ``name``."""
    formulae = {metric: METRICS[metric].formula for metric in METRICS} | RATIOS
    figures = "".join(
        f"<figure>{_inline(svg(means_figure(found, metric)))}"
        + (
            _inline(svg(differences_figure(found, metric)))
            if any(one.metric == metric for one in found.differences)
            else ""
        )
        + f"<figcaption>{escape(metric)}: {escape(formulae[metric])}</figcaption></figure>"
        for metric in found.metrics
    )
    notes = "".join(f"<p class=note>{escape(note.text)}</p>" for note in found.notes)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(name)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(name)}</h1>{_about(found)}{notes}"
        f"<h2>Means with 95 % intervals</h2>{_table(*means_table(found))}"
        "<h2>Paired differences on the same draws</h2>"
        "<p>Bootstrap intervals (BCa); p from sign-flip permutations, adjusted for all rows "
        "(Benjamini–Hochberg).</p>"
        f"{_table(*differences_table(found))}<h2>Figures</h2>{figures}</body></html>\n"
    )


def _about(found: Findings) -> str:
    """Return a line on what was compared, over how many draws."""
    groups = ", ".join(group.name for group in found.groups)
    draws = max((value.count for value in found.means.values()), default=0)
    return f"<p>{escape(groups)}: {draws} draws each. Differences are from {escape(found.baseline.name)}.</p>"


def _inline(picture: str) -> str:
    """Return an SVG document without its XML head, to stand in HTML."""
    return picture[picture.index("<svg") :]


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
