"""The table of metrics in docs/research.md: ``python -m scenarios.study.metrics_page`` writes it anew."""

from __future__ import annotations

import re
from pathlib import Path

from scenarios.study.compare import RATIOS
from scenarios.study.metrics import METRICS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "research.md"
_BLOCK = re.compile(r"(?<=<!-- metrics -->\n).*?(?=<!-- end -->)", re.DOTALL)


def table() -> str:
    """Return the metrics as a Markdown table."""
    rows = [f"| `{name}` | {metric.unit} | {metric.formula} |" for name, metric in METRICS.items()]
    rows += [f"| `{name}` | % | {formula} |" for name, formula in RATIOS.items()]
    return "\n".join(("| metric | unit | formula |", "|---|---|---|", *rows)) + "\n"


def page(text: str) -> str:
    """Return the page with the table as the code has it."""
    return _BLOCK.sub(lambda _: table(), text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
