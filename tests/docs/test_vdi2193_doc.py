"""docs/vdi2193.md names what the code reads and writes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from market.adapters.vdi2193 import Conversation, Dialect2193, Parties, frame_to_json, read_frame
from market.adapters.vdi2193.elements import SEMANTIC_IDS
from market.adapters.vdi2193.frame import SPELLINGS
from market.protocol.schema import KINDS
from takt_sdk.model.sheet import BidSheet
from tests.unit.market.test_vdi2193 import MARKET, PLANT, a_call

PAGE = (Path(__file__).parents[2] / "docs" / "vdi2193.md").read_text()
PARTIES = Parties(
    market="demo", participant="acme", market_aas=MARKET, participant_aas=PLANT, currency="EUR", site="ulm"
)


def test_every_spelling_that_is_read_is_on_the_page() -> None:
    table = dict(re.findall(r"^\| (`\w+`) \| (`.*`) \|$", PAGE.partition("type written")[2], re.MULTILINE))
    read: dict[str, set[str]] = {f"`{type_}`": {type_} for type_ in SPELLINGS.values()}
    for spelling, type_ in SPELLINGS.items():
        read[f"`{type_}`"].add(spelling)
    for type_, words in table.items():
        if type_ in read and "takt." not in words:
            assert set(re.findall(r"`([^`]+)`", words)) | {type_.strip("`")} == read[type_]
    assert len([type_ for type_ in table if type_ in read]) >= 8


def test_every_id_of_eclass_that_is_used_is_on_the_page() -> None:
    for name, ids in SEMANTIC_IDS.items():
        for irdi in ids:
            assert irdi in PAGE, name


def test_every_kind_that_is_named_exists() -> None:
    named = set(re.findall(r"`(takt\.\w+\.v1)`", PAGE))
    assert len(named) >= 9
    assert named <= set(KINDS)


def test_the_worked_frame_is_an_offer() -> None:
    block = re.search(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    frame = read_frame(block[1].encode())
    (body,) = Dialect2193(PARTIES).from_participant(
        frame, Conversation(round_id="r-000001", call=a_call()), 0
    )
    assert isinstance(body, BidSheet)
    assert body.bid(0).price_minor(20) == 200_000
    assert json.loads(frame_to_json(frame))["frame"] == json.loads(block[1])["frame"]
