"""The diagrams in the docs are those of the transition tables."""

from __future__ import annotations

from tests.docs.states_page import PAGE, page


def test_the_page_of_states_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: .venv/bin/python -m tests.docs.states_page"
