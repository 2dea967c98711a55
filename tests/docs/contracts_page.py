"""The state diagram of a reallocation in docs/contracts.md, drawn from the transition table.

``python -m tests.docs.contracts_page`` writes it anew.
"""

from __future__ import annotations

from pathlib import Path

from market.engine.transitions import ORDER_TRANSITIONS, mermaid

PAGE = Path(__file__).parents[2] / "docs" / "contracts.md"
BEGIN, END = "<!-- drawn from the transition table: begin -->", "<!-- end -->"
STATES = frozenset(
    {
        "awarded",
        "confirmed",
        "in_production",
        "at_risk",
        "awaiting_approval",
        "reallocating",
        "shipped",
        "expired",
        "cancelled",
    }
)
"""What an order can be between its award and the time its goods leave."""


def diagram() -> str:
    """Return the part of the orders' diagram that a reallocation goes through."""
    table = {
        (state, trigger): after
        for (state, trigger), after in ORDER_TRANSITIONS.items()
        if state in STATES and after in STATES
    }
    return f"{BEGIN}\n\n```mermaid\n{mermaid(table)}```\n\n{END}"


def with_diagram(page: str) -> str:
    """Return the page with its diagram as the table has it."""
    before, rest = page.split(BEGIN, 1)
    return before + diagram() + rest.split(END, 1)[1]


if __name__ == "__main__":
    PAGE.write_text(with_diagram(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
