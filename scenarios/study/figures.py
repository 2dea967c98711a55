"""Findings as vector figures for a paper: a metric over the groups, and the differences from the baseline.

Made with matplotlib, as SVG and PDF with fixed metadata, so the same table gives the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from scenarios.study.compare import Findings
from scenarios.study.export import unit_of

INK = "#1f3a4d"
MUTED = "#9aa7b1"
WIDTH_IN = 6.3
LABEL_CHARACTERS, CAPTION_CHARACTERS = 32, 84
"""Of a line of text beside and below a figure of this width."""
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
        said = f"{metric.replace('_', ' ')} ({unit_of(metric)}); bars: 95 % bootstrap interval"
        figure, axes = _lines([group.name for group in groups], said)
        for index, one in enumerate(found):
            if one.low is not None and one.high is not None:
                axes.plot(
                    [one.low, one.high], [index, index], color=MUTED, linewidth=3, solid_capstyle="round"
                )
            axes.plot([one.mean], [index], marker="o", color=INK, linestyle="none")
        axes.grid(axis="x", color="#e3e8ec")
        axes.set_axisbelow(True)
    return figure


def differences_figure(findings: Findings, metric: str) -> Figure:
    """Return paired differences from the baseline; hollow where the adjusted p is 0.05 or more."""
    found = [one for one in findings.differences if one.metric == metric]
    with rc_context(STYLE):  # type: ignore[arg-type]
        what = f"{metric.replace('_', ' ')} ({unit_of(metric)}) minus {findings.baseline.name}"
        said = f"{what}, same draws; hollow: adjusted p of 0.05 or more, or none"
        figure, axes = _lines([one.one for one in found], said)
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
    return figure


def _lines(names: Sequence[str], said: str) -> tuple[Figure, Axes]:
    """Return a figure with a line for each name, long ones broken, and what is shown below."""
    labels = [fill(name, LABEL_CHARACTERS) for name in names]
    rows = sum(1 + label.count("\n") for label in labels)
    below = fill(said, CAPTION_CHARACTERS)
    height_in = 0.75 + 0.15 * (1 + below.count("\n")) + 0.16 * (rows + len(labels))
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    axes = figure.subplots()
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    figure.supxlabel(below, fontsize=STYLE["font.size"])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    return figure, axes


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
