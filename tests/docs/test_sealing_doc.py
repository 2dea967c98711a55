"""The program that seals, as the protocol's page has it, gives what the market opens."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from market.protocol.script import sheet
from takt_sdk.codec import encode
from takt_sdk.model.messages import DeclineCall
from takt_sdk.model.sealed import SEALED_SIZES, SealedSheet
from takt_sdk.sealing import public_key, read_answer, unseal

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
PRIVATE = "5a" * 32


def program() -> dict[str, Any]:
    """Return the names that the page's program defines."""
    (block,) = (
        code
        for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        if "SealedBox" in code
    )
    names: dict[str, Any] = {}
    exec(compile(block, str(PAGE), "exec"), names)  # noqa: S102 - the page's own program
    return names


def test_what_the_page_seals_the_market_opens() -> None:
    call = {"market": "demo", "round_id": "r-1", "sealing_key": public_key(PRIVATE), "sealed_size": 4_096}
    for answer in (sheet("r-1", "o-1.mill", 100), DeclineCall(round_id="r-1", code="dates")):
        body = program()["sealed"](call, "acme", 3, json.loads(encode(answer)))
        sealed = SealedSheet(**body)
        assert sealed.size == SEALED_SIZES[0]
        inside = read_answer(unseal(sealed, PRIVATE))
        assert (inside.market, inside.sender, inside.sequence, inside.answer) == ("demo", "acme", 3, answer)


def test_the_page_pads_to_what_the_call_asks_for() -> None:
    call = {"market": "demo", "round_id": "r-1", "sealing_key": public_key(PRIVATE), "sealed_size": 65_536}
    answer = json.loads(encode(DeclineCall(round_id="r-1", code="dates")))
    assert SealedSheet(**program()["sealed"](call, "acme", 1, answer)).size == 65_536
