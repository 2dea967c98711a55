"""Findings as vector figures for a paper: a metric over the groups, and the differences from the baseline.

Made with matplotlib, as SVG and PDF with fixed metadata, so the same table gives the same bytes.
"""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from scenarios.study.compare import Findings
from scenarios.study.export import unit_of

INK = "#1f3a4d"
MUTED = "#9aa7b1"
WIDTH_IN = 6.3
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "takt",
    "svg.fonttype": "none",
}


def means_figure(findings: Findings, metric: str) -> Figure:
    """Return means and intervals of one metric, a line per group."""
    groups = [group for group in findings.groups if (group, metric) in findings.means]
    found = [findings.means[group, metric] for group in groups]
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(WIDTH_IN, 0.9 + 0.32 * len(groups)), layout="constrained")
        axes = figure.subplots()
        for index, one in enumerate(found):
            if one.low is not None and one.high is not None:
                axes.plot(
                    [one.low, one.high], [index, index], color=MUTED, linewidth=3, solid_capstyle="round"
                )
            axes.plot([one.mean], [index], marker="o", color=INK, linestyle="none")
        axes.set_yticks(range(len(groups)), [group.name for group in groups])
        axes.invert_yaxis()
        axes.set_xlabel(f"{metric.replace('_', ' ')} ({unit_of(metric)}); bars: 95 % bootstrap interval")
        axes.grid(axis="x", color="#e3e8ec")
        axes.set_axisbelow(True)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    return figure


def differences_figure(findings: Findings, metric: str) -> Figure:
    """Return paired differences from the baseline; hollow where the adjusted p is 0.05 or more."""
    found = [one for one in findings.differences if one.metric == metric]
    with rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(WIDTH_IN, 0.9 + 0.32 * len(found)), layout="constrained")
        axes = figure.subplots()
        axes.axvline(0, color=MUTED, linewidth=1)
        for index, one in enumerate(found):
            mean = one.estimate
            if mean.low is not None and mean.high is not None:
                axes.plot(
                    [mean.low, mean.high], [index, index], color=MUTED, linewidth=3, solid_capstyle="round"
                )
            clear = one.p_adjusted is not None and one.p_adjusted < 0.05  # noqa: PLR2004 - the usual level
            axes.plot(
                [mean.mean],
                [index],
                marker="o",
                color=INK,
                markerfacecolor=INK if clear else "white",
                linestyle="none",
            )
        axes.set_yticks(range(len(found)), [one.one for one in found])
        axes.invert_yaxis()
        axes.set_xlabel(
            f"{metric.replace('_', ' ')} ({unit_of(metric)}) minus {findings.baseline.name}, same draws"
        )
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    return figure


def svg(figure: Figure) -> str:
    """Return a figure as SVG."""
    out = io.BytesIO()
    with rc_context(STYLE):  # type: ignore[arg-type]
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
            out, metadata={"Date": None, "Creator": "takt"}
        )
    return out.getvalue().decode()


def write(figure: Figure, path: Path) -> None:
    """Write a figure beside each other as ``.svg`` and ``.pdf``."""
    path.with_suffix(".svg").write_text(svg(figure), encoding="utf-8")
    with rc_context(STYLE):  # type: ignore[arg-type]
        FigureCanvasPdf(figure).print_pdf(  # type: ignore[no-untyped-call]
            path.with_suffix(".pdf"), metadata={"CreationDate": None, "Creator": "takt", "Producer": None}
        )
