"""docs/conformance.md: its tables are the code's, its sections the protocol's, its flags exist."""

from __future__ import annotations

import re

from market.conformance.command import conform
from market.conformance.rules import RULES
from tests.docs.conformance_page import PAGE, refreshed

PROTOCOL = (PAGE.parent / "protocol.md").read_text(encoding="utf-8")


def test_the_tables_are_made_from_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == refreshed(text), "run: python -m tests.docs.conformance_page"


def test_every_rule_names_a_heading_of_the_protocol() -> None:
    headings = set(re.findall(r"^#+ (.+)$", PROTOCOL, flags=re.MULTILINE))
    assert {rule.section for rule in RULES.values()} <= headings


def test_every_option_that_the_page_names_exists() -> None:
    options = {option for parameter in conform.params for option in parameter.opts}
    named = set(re.findall(r"(--[a-z][a-z-]+)", PAGE.read_text(encoding="utf-8")))
    assert named <= options
