"""Findings as tables: for a terminal, as CSV, as LaTeX. Numbers are rounded to what an interval supports."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from math import floor, log10

from scenarios.study.compare import RATIOS, Findings, Group, Note
from scenarios.study.metrics import METRICS
from scenarios.study.statistics import Difference, Estimate

MOST_COLUMNS = 5
"""Groups that stand side by side in a table; a page of a paper holds no more."""
_LATEX = str.maketrans({"%": r"\%", "_": r"\_", "&": r"\&", "#": r"\#", "$": r"\$", "−": "$-$", "²": "$^2$"})


def unit_of(metric: str) -> str:
    """Return the unit of a metric or ratio."""
    return "%" if metric in RATIOS else METRICS[metric].unit


def shown(found: Estimate) -> str:
    """Return a mean and its interval, e.g. ``57,300 [56,900; 57,700]``."""
    if found.low is None or found.high is None:
        return _number(found.mean, found.mean)
    width = found.high - found.low
    mean, low, high = (_number(value, width or found.mean) for value in (found.mean, found.low, found.high))
    return f"{mean} [{low}; {high}]"


def _number(value: float, scale: float) -> str:
    """Return a number with two digits of ``scale``, and no more than four decimals."""
    decimals = 0 if not scale else min(4, max(0, 1 - floor(log10(abs(scale)))))
    return f"{value:,.{decimals}f}"


def means_table(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: a row per metric, a column per group; of many groups a row per figure."""
    if len(findings.groups) > MOST_COLUMNS:
        return ["metric", "unit", "group", "mean"], [
            [metric, unit_of(metric), group.name, cell]
            for metric in findings.metrics
            for group in findings.groups
            if (cell := _cell(findings, group, metric))
        ]
    header = ["metric", "unit", *(group.name for group in findings.groups)]
    rows = [
        [metric, unit_of(metric), *(_cell(findings, group, metric) for group in findings.groups)]
        for metric in findings.metrics
    ]
    return header, rows


def _cell(findings: Findings, group: Group, metric: str) -> str:
    found = findings.means.get((group, metric))
    return "" if found is None else shown(found)


def differences_table(findings: Findings) -> tuple[list[str], list[list[str]]]:
    """Return header and rows: one per difference from the baseline, with p corrected for all of them."""
    header = ["metric", "unit", "group", f"minus {findings.baseline.name}", "pairs", "p", "p adjusted"]
    rows = [
        [
            d.metric,
            unit_of(d.metric),
            d.one,
            shown(d.estimate),
            str(d.estimate.count),
            _p(d.p),
            _p(d.p_adjusted),
        ]
        for d in findings.differences
    ]
    return header, rows


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004 - what five thousand resamples tell


def to_csv(findings: Findings) -> str:
    """Return means and differences in full precision, one line a figure; notes count so many of so many."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ("kind", "metric", "unit", "group", "baseline", "count", "mean", "low", "high", "p", "p_adjusted")
    )
    for (group, metric), found in findings.means.items():
        writer.writerow(("mean", metric, unit_of(metric), group.name, "", *_figures(found), "", ""))
    for one in findings.differences:
        writer.writerow(_difference_row(one))
    for note in findings.notes:
        writer.writerow(("note", note.what, note.unit, note.whose, "", note.of, note.count, "", "", "", ""))
    return out.getvalue()


def _difference_row(one: Difference) -> tuple[object, ...]:
    raw = ("" if p is None else p for p in (one.p, one.p_adjusted))
    return ("difference", one.metric, unit_of(one.metric), one.one, one.other, *_figures(one.estimate), *raw)


def _figures(found: Estimate) -> tuple[object, ...]:
    return (found.count, found.mean, *("" if end is None else end for end in (found.low, found.high)))


def to_latex(
    header: Sequence[str], rows: Sequence[Sequence[str]], caption: str, notes: Sequence[Note] = ()
) -> str:
    """Return a table for a paper (package booktabs), with notes below it."""
    columns = "ll" + "r" * (len(header) - 2)
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption.translate(_LATEX)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(text.translate(_LATEX) for text in header) + r" \\",
        r"\midrule",
        *(" & ".join(text.translate(_LATEX) for text in row) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par\footnotesize {note.text.translate(_LATEX)}" for note in notes),
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)
