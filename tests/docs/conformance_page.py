"""The tables of ``docs/conformance.md``; ``python -m tests.docs.conformance_page`` writes them."""

from __future__ import annotations

import re
from pathlib import Path

from market.conformance.customer_scenes import CustomerScript
from market.conformance.rules import RULES
from market.conformance.scenes import Script, title_of

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
_PART = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", flags=re.DOTALL)


def refreshed(text: str) -> str:
    """Return the page with its tables made anew."""
    parts = {"rules": _rules(), "scenes": _scenes(Script), "customer_scenes": _scenes(CustomerScript)}
    return _PART.sub(lambda match: f"{match[1]}{parts[match[2]]}\n{match[3]}", text)


def _rules() -> str:
    rows = ["| rule | a participant keeps to | [protocol](protocol.md) |", "|---|---|---|"]
    rows += [f"| `{id_}` | {rule.sentence} | {rule.section} |" for id_, rule in RULES.items()]
    return "\n".join(rows)


def _scenes(script: type[Script]) -> str:
    rows = ["| scene | what the market does |", "|---|---|"]
    return "\n".join(rows + [f"| {name} | {title_of(script, name)} |" for name in script.NAMES])


if __name__ == "__main__":
    PAGE.write_text(refreshed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
