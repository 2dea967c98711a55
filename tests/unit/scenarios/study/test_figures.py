"""Figures for a paper: whatever groups are called and however large a figure is, all can be read."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scenarios.study.compare import Findings, findings
from scenarios.study.figures import differences_figure, means_figure


@pytest.mark.parametrize("draw", [means_figure, differences_figure])
@pytest.mark.parametrize("label", ["", "fee_ppm=48873, margin_ppm=280917, transit_minutes=1440"])
def test_every_word_is_within_the_figure_and_no_two_figures_of_the_axis_touch(
    draw: Callable[[Findings, str], Figure], label: str
) -> None:
    given = [
        {
            "mechanism": name,
            "settings": "{}",
            "label": label,
            "seed": seed,
            "error": "",
            "welfare": welfare + 37_000.0 * seed,
        }
        for name, welfare in (("pay_as_bid", 1_462_459.0), ("first_come", 993_559.0), ("clairvoyant", 2e6))
        for seed in range(1, 6)
    ]
    figure = draw(findings(given, baseline=None, metrics=("welfare",)), "welfare")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    (axes,) = figure.axes
    words = [*axes.get_yticklabels(), *figure.texts]
    low, high = sorted(axes.get_xlim())
    figures = [one for one in axes.get_xticklabels() if low <= one.get_position()[0] <= high]
    assert len(figures) > 1
    assert figure.texts
    for text in (*words, *figures):
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0, text.get_text()
        assert box.x1 <= figure.bbox.x1, text.get_text()
        assert box.y0 >= 0, text.get_text()
    boxes = sorted((one.get_window_extent(renderer) for one in figures), key=lambda box: box.x0)
    assert all(one.x1 < other.x0 for one, other in pairwise(boxes))
