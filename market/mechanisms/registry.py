"""All payment rules by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from market.mechanisms import core, greedy, pay_as_bid, second_price, uniform, vcg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from market.mechanisms.rule import Rule

RULES: Mapping[str, Rule] = {
    module.RULE.name: module.RULE for module in (pay_as_bid, second_price, vcg, core, uniform, greedy)
}
