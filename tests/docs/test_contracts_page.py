"""The page on contracts shows the table, the rules and the causes that the code has."""

from __future__ import annotations

from dataclasses import fields

from market.engine.ledger import BREACHES
from market.model.contract_rules import ContractRules
from market.model.ledger import POSTING_KINDS
from takt_sdk.model.execution import EFFECTS
from tests.docs.contracts_page import PAGE, with_diagram

TEXT = PAGE.read_text(encoding="utf-8")


def test_the_diagram_is_that_of_the_table() -> None:
    assert with_diagram(TEXT) == TEXT


def test_every_rule_posting_effect_and_breach_is_explained() -> None:
    words = [
        *(field.name for field in fields(ContractRules)),
        *POSTING_KINDS,
        *(effect for effects in EFFECTS.values() for effect in effects),
        *BREACHES,
    ]
    missing = [word for word in words if f"`{word}`" not in TEXT]
    assert not missing
