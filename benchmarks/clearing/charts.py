"""Line charts as plain SVG on their own ground, readable by day and by night. Draws what it is given."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 300, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 30, 34
PER_ROW = 3
LEGEND = 30

COLOURS = ("c1", "c2", "c3", "c4", "c5", "c6")
STYLE = """
  .g{fill:#fff} text{fill:#24292f;font:11px system-ui,sans-serif} .t{font-weight:600;font-size:12px}
  .a{stroke:#8c959f;fill:none} .l{stroke:#d0d7de;fill:none} .s{fill:none;stroke-width:2}
  .c1{stroke:#d1242f}.c2{stroke:#0969da}.c3{stroke:#1a7f37}.c4{stroke:#9a6700}.c5{stroke:#8250df}.c6{stroke:#57606a}
  .f1{fill:#d1242f}.f2{fill:#0969da}.f3{fill:#1a7f37}.f4{fill:#9a6700}.f5{fill:#8250df}.f6{fill:#57606a}
  @media (prefers-color-scheme:dark){.g{fill:#0d1117} text{fill:#e6edf3} .a{stroke:#7d8590} .l{stroke:#30363d}
  .c1{stroke:#ff7b72}.c2{stroke:#58a6ff}.c3{stroke:#3fb950}.c4{stroke:#d29922}.c5{stroke:#bc8cff}.c6{stroke:#8b949e}
  .f1{fill:#ff7b72}.f2{fill:#58a6ff}.f3{fill:#3fb950}.f4{fill:#d29922}.f5{fill:#bc8cff}.f6{fill:#8b949e}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One chart with logarithmic axes; lines by name. Values outside the axes are drawn on their edge."""

    title: str
    lines: Mapping[str, Points]
    x_label: str
    y_label: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    steps: bool = False
    percent: bool = False


def svg(panels: Sequence[Panel], names: Sequence[str], title: str) -> str:
    """Return a picture of panels in rows of three, with one legend; ``names`` fixes each line's colour."""
    columns = min(PER_ROW, len(panels))
    rows = -(-len(panels) // PER_ROW)
    width, height = columns * WIDTH, rows * HEIGHT + LEGEND
    body = [
        _panel(p, names, (k % PER_ROW) * WIDTH, LEGEND + (k // PER_ROW) * HEIGHT)
        for k, p in enumerate(panels)
    ]
    used = [n for n in names if any(n in p.lines for p in panels)]
    room = (width - 24) // max(1, len(used))
    legend = "".join(
        f'<path class="s {_colour(n, names)}" d="M{12 + k * room} 15h18"/>'
        f'<text x="{34 + k * room}" y="19">{escape(n)}</text>'
        for k, n in enumerate(used)
    )
    box = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    name = escape(title, quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {box} role="img" aria-label="{name}"><title>{name}</title>'
        f'<style>{STYLE}</style><rect class="g" width="{width}" height="{height}"/>'
        f"{legend}{''.join(body)}</svg>\n"
    )


def _colour(name: str, names: Sequence[str], kind: str = "c") -> str:
    return kind + str(list(names).index(name) % len(COLOURS) + 1)


def _panel(p: Panel, names: Sequence[str], x0: int, y0: int) -> str:
    parts = [
        f'<g transform="translate({x0} {y0})"><text class="t" x="{LEFT}" y="18">{escape(p.title)}</text>'
    ]
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for value in _ticks(p.y_range):
        y = _y(p, value)
        parts.append(f'<path class="l" d="M{LEFT} {y:.1f}H{right}"/>')
        label = _shown(value, percent=p.percent)
        parts.append(f'<text x="{LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for value in _ticks(p.x_range):
        x = _x(p, value)
        parts.append(f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{_shown(value)}</text>')
    parts.append(f'<path class="a" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
    parts.append(f'<text x="{right}" y="{bottom + 28}" text-anchor="end">{escape(p.x_label)}</text>')
    parts.append(f'<text x="{LEFT}" y="{bottom + 28}">{escape(p.y_label)}</text>')
    for name, points in p.lines.items():
        if not points:
            continue
        parts.append(f'<path class="s {_colour(name, names)}" d="{_path(p, points)}"/>')
        x, y = _x(p, points[-1][0]), _y(p, points[-1][1])
        parts.append(f'<circle class="{_colour(name, names, "f")}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
    return "".join([*parts, "</g>"])


def _path(p: Panel, points: Points) -> str:
    drawn = [(f"{_x(p, a):.1f}", f"{_y(p, b):.1f}") for a, b in points]
    words = [f"M{drawn[0][0]} {drawn[0][1]}"]
    for (_, before), (x, y) in pairwise(drawn):
        if not p.steps:
            words.append(f"L{x} {y}")
        elif y != before:
            words.append(f"H{x}V{y}")
    return "".join([*words, f"H{drawn[-1][0]}"])


def _share(value: float, span: tuple[float, float]) -> float:
    low, high = span
    inside = min(max(value, low), high)
    return math.log(inside / low) / math.log(high / low)


def _x(p: Panel, value: float) -> float:
    return LEFT + _share(value, p.x_range) * (WIDTH - LEFT - RIGHT)


def _y(p: Panel, value: float) -> float:
    return HEIGHT - BOTTOM - _share(value, p.y_range) * (HEIGHT - TOP - BOTTOM)


def _ticks(span: tuple[float, float]) -> list[float]:
    """Return the powers of ten in a range, its ends included."""
    low, high = (round(math.log10(end), 6) for end in span)
    inner = [10.0**k for k in range(math.ceil(low), math.floor(high) + 1)]
    return inner if len(inner) > 1 else [span[0], span[1]]


def _shown(value: float, *, percent: bool = False) -> str:
    """Return a tick's label."""
    scaled = value * 100 if percent else value
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if scaled >= limit and not percent:
            return f"{scaled / limit:g}{unit}"
    return f"{scaled:g}{' %' if percent else ''}"
