"""The page of the state machines, drawn from the tables; ``python -m tests.docs.states_page`` writes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from market.engine.transitions import (
    CONTRACT_TRANSITIONS,
    ORDER_TRANSITIONS,
    ROUND_TRANSITIONS,
    mermaid,
)

PAGE = Path(__file__).parents[2] / "docs" / "states.md"

INTRODUCTION = """\
# States

Drawn from the one table that owns every transition, `market/engine/transitions.py`. A message whose
trigger has no entry for the present state changes nothing; its refusal names the state.

`python -m tests.docs.states_page` writes this page anew; a test compares it.
"""

ORDERS = """\
An order is what a customer wants. `rejected` is a state of the wire only: what is refused on arrival
never becomes an order. `expired` is reached by orders that nobody serves any more at their deadline;
what was finished by then is paid and charged.
"""

CONTRACTS = """\
A contract is an accepted bid. Its participant reports the milestones; the market itself puts it
`at_risk`, ends it or settles it. Once the goods of an order were accepted, every contract that stands
is settled, whatever was left unreported.
"""

ROUNDS = """\
A round is one call. The close is a position in the log: it starts the clearing, and nothing logged
after it influences that clearing. A round that can not be cleared is void.
"""

SECTIONS: tuple[tuple[str, str, Mapping[tuple[str, str], str]], ...] = (
    ("Orders", ORDERS, ORDER_TRANSITIONS),
    ("Contracts", CONTRACTS, CONTRACT_TRANSITIONS),
    ("Rounds", ROUNDS, ROUND_TRANSITIONS),
)


def page() -> str:
    """Return the page as it should be."""
    sections = (
        f"\n## {title}\n\n{text}\n```mermaid\n{mermaid(table)}```\n" for title, text, table in SECTIONS
    )
    return INTRODUCTION + "".join(sections)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
