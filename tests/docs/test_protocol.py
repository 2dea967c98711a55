"""The published protocol says what the code does, no more and no less."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from market.adapters.codec import decode_body, decode_envelope
from market.adapters.nats_identity import MarketKeys, issue_participant_creds
from market.engine.decision import REFUSAL_CODES
from market.model.commands import Body, Command, HostCommand, OperatorCommand
from market.protocol.channels import CHANNELS, subject_of
from market.protocol.exchange import Said, play, same
from market.protocol.files import EXAMPLES, FOLDER, PAGE, generated, read_examples
from market.protocol.machines import PARTICIPANT_CONTRACT, PARTICIPANT_ROUND
from market.protocol.rules import BESIDE_THE_SCHEMA, REFUSALS
from market.protocol.schema import DOWNLINK, KINDS, PUBLIC, REPLIES, UPLINK, message_schema
from market.service.requests import _ALLOWED
from takt_sdk.codec import DecodeError, decode_reply, encode
from takt_sdk.model.contract import Contract, ContractItem
from takt_sdk.model.messages import ContractAmended, Envelope
from takt_sdk.nats.creds import claims_of, jwt_of
from takt_sdk.ports import RequestChannel
from tests.contract.journal_contract import CountingEntropy
from tests.docs.protocol_samples import SAMPLES, Json, paths, replaced, rule_of, without

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = message_schema()
FREE_TEXT = {
    "item_lot",  # any string is well formed; one that was not called is refused by the engine
}


@cache
def validator(definition: str) -> Draft202012Validator:
    return Draft202012Validator(
        {"$ref": f"#/$defs/{definition}", "$defs": without_anchors(SCHEMA["$defs"])},
    )


def without_anchors(schema: Json) -> Json:
    """Return a schema for Python's ``re``, whose ``$`` also matches before a last line break."""
    if isinstance(schema, dict):
        return {
            key: re.sub(r"\$$", r"\\Z", value)
            if key == "pattern" and isinstance(value, str)
            else without_anchors(value)
            for key, value in schema.items()
        }
    return [without_anchors(value) for value in schema] if isinstance(schema, list) else schema


# --- generated files -------------------------------------------------------------------------


async def test_the_committed_files_are_what_the_code_makes() -> None:
    files = await generated(DOCS)
    stale = [str(path) for path, data in files.items() if (DOCS / path).read_bytes() != data]
    assert not stale, f"run `make protocol`: {stale}"
    on_disk = {path.relative_to(DOCS) for path in (DOCS / FOLDER).rglob("*.json")}
    assert on_disk == set(files) - {PAGE}


def test_a_part_of_the_page_that_nothing_generates_is_an_error() -> None:
    named = set(re.findall(r"<!-- generated: (\w+) -->", (DOCS / PAGE).read_text()))
    assert {"channels", "beside", "refusals", "sheet", "order", "contract", "round"} <= named


def test_every_file_that_the_page_links_to_exists() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (DOCS / PAGE).read_text())
    assert len(links) >= 4
    assert [link for link in links if not (DOCS / link).exists()] == []


# --- schema ----------------------------------------------------------------------------------


def test_the_schema_is_valid_and_holds_every_kind_on_the_wire() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    own = {body for body in get_args(Command) if body not in get_args(OperatorCommand | HostCommand)}
    assert own <= set(UPLINK)
    assert {*UPLINK, *DOWNLINK, *PUBLIC, *REPLIES} == set(KINDS.values())
    everything = set(get_args(Body))
    assert everything - set(KINDS.values()) == set(get_args(OperatorCommand | HostCommand))
    for kind, body in KINDS.items():
        assert SCHEMA["$defs"][body.__name__]["properties"]["kind"]["const"] == kind


def parts(schema: Json, at: str) -> Iterator[tuple[str, Json]]:
    """Yield every schema inside a schema, with a path."""
    if isinstance(schema, dict):
        yield at, schema
        for key, value in schema.items():
            yield from parts(value, f"{at}/{key}")
    elif isinstance(schema, list):
        for value in schema:
            yield from parts(value, at)


SIGNED = {"amount_minor", "balance_minor", "extra_minor"}
"""Money that goes both ways."""


def test_objects_are_closed_integers_bounded_and_participants_strings_limited() -> None:
    uplink = reachable("ParticipantEnvelope")
    for at, part in parts(SCHEMA["$defs"], ""):
        if part.get("type") == "object":
            assert part["additionalProperties"] is False, at
        if part.get("type") == "integer":
            assert part["minimum"] >= 0 or at.rsplit("/", 1)[1] in SIGNED, at
            assert part["maximum"] < 2**53, at
        if part.get("type") == "string" and at.split("/")[1] in uplink and not FREE_TEXT & set(at.split("/")):
            assert {"pattern", "enum", "const"} & set(part), at


def reachable(root: str) -> set[str]:
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += re.findall(r"#/\$defs/(\w+)", json.dumps(SCHEMA["$defs"][name]))
    return seen


def test_every_definition_says_what_it_is() -> None:
    assert [name for name, part in SCHEMA["$defs"].items() if len(part["description"]) < 20] == []


ODD: tuple[Json, ...] = (
    None, True, 0, 1, -1, 2, 1.0, 0.5, 2**53, 2**63, "", "a", "A", "-", "a b", "é", "a\n", "\u2028", "\x7f",
    "a" * 48, "a" * 49, "a" * 63, "a" * 64, "a" * 128, "a" * 129, "a" * 200, "a" * 201, "0" * 64,
    [], [0], [0, 0], [0, 2, 1], ["a"], ["a", "a"], ["a", "b"], [None], {}, {"kind": "x"}, "operation", "open",
)  # fmt: skip


def bounds(definition: str) -> set[int]:
    """Return the integers at and just beyond every bound that a message's schema names."""
    numbers = {
        part[key]
        for name in reachable(definition)
        for _, part in parts(SCHEMA["$defs"][name], "")
        for key in ("minimum", "maximum")
        if key in part
    }
    return {number + step for number in numbers for step in (-1, 0, 1)}


def compare(definition: str, value: Json, decode: Callable[[bytes], object]) -> None:
    """Fail if schema and codec differ about a value in anything but the rules beside the schema."""
    allowed = validator(definition).is_valid(value)
    refusal = refusal_of(decode, value)
    if refusal is None:
        assert allowed, f"only the schema refuses {value!r}"
    elif allowed:
        assert rule_of(refusal) in BESIDE_THE_SCHEMA, f"only the codec refuses {value!r}: {refusal}"


def refusal_of(decode: Callable[[bytes], object], value: Json) -> DecodeError | None:
    try:
        decode(json.dumps(value).encode())
    except DecodeError as error:
        return error
    return None


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_schema_and_codec_differ_only_in_the_rules_named(sample: object) -> None:
    name = type(sample).__name__
    value = json.loads(encode(sample))
    compare(name, value, decode_body)
    for path in paths(value):
        for new in (*ODD, *sorted(bounds(name))):
            if path != ("kind",):
                compare(name, replaced(value, path, new), decode_body)
        if path:
            compare(name, without(value, path), decode_body)
        if path and isinstance(path[-1], str):
            compare(name, replaced(value, (*path[:-1], "more"), 1), decode_body)


def test_the_envelope_keeps_to_its_schema() -> None:
    envelope = Envelope(
        message_id="m", correlation_id="r", causation_id="", sender="acme", sequence=1, occurred_us=2,
        body=SAMPLES[-1],
    )  # fmt: skip
    value = json.loads(encode(envelope))
    for path in paths(value):
        for new in (*ODD, *sorted(bounds("ParticipantEnvelope"))):
            compare("ParticipantEnvelope", replaced(value, path, new), decode_uplink)
        if path:
            compare("ParticipantEnvelope", without(value, path), decode_uplink)


def decode_uplink(data: bytes) -> None:
    """Decode an envelope; one with a body that participants do not send is refused later, by its channel."""
    if type(decode_envelope(data).body) not in UPLINK:
        raise DecodeError("body.kind", "", "not a participant's") from None


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_schema_and_codec_agree_on_messages_that_are_wrong_in_several_ways(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(SAMPLES[:7]))
    value = json.loads(encode(sample))
    for _ in range(data.draw(st.integers(1, 4))):
        path = data.draw(st.sampled_from([path for path in paths(value) if path and path[-1] != "kind"]))
        new = data.draw(
            st.one_of(st.sampled_from(ODD), st.integers(), st.text(max_size=4), st.lists(st.integers(0, 3)))
        )
        value = replaced(value, path, new)
    try:
        text = json.dumps(value).encode()
    except UnicodeEncodeError:
        return
    compare(type(sample).__name__, json.loads(text), decode_body)


@pytest.mark.parametrize(
    "text",
    [b'{"kind":"takt.heartbeat.v1","kind":"takt.heartbeat.v1"}', b"NaN", b"", b"\xff", b"[" * 100_000],
)
def test_texts_that_are_no_json_are_the_rule_of_that_name(text: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_body(text)
    assert rule_of(caught.value) in {"json", ""}


# --- AsyncAPI --------------------------------------------------------------------------------

ASYNCAPI = json.loads((DOCS / FOLDER / "asyncapi.json").read_bytes())


FIELDS = {
    "": (
        {"asyncapi", "info", "channels", "operations"},
        {"id", "servers", "components", "defaultContentType"},
    ),
    "info": (
        {"title", "version"},
        {"description", "license", "contact", "externalDocs", "tags", "termsOfService"},
    ),
    "servers": (
        {"host", "protocol"},
        {
            "protocolVersion",
            "pathname",
            "description",
            "title",
            "summary",
            "variables",
            "security",
            "bindings",
            "tags",
        },
    ),
    "channels": (
        {"address"},
        {
            "messages",
            "title",
            "summary",
            "description",
            "servers",
            "parameters",
            "tags",
            "bindings",
            "externalDocs",
        },
    ),
    "operations": (
        {"action", "channel"},
        {"title", "summary", "description", "security", "messages", "reply", "traits", "bindings", "tags"},
    ),
}
"""Required and optional fixed fields of AsyncAPI 3.0's objects, by the place where they stand."""


def test_the_asyncapi_document_has_the_fields_of_version_3() -> None:
    assert ASYNCAPI["asyncapi"] == "3.0.0"
    for place, (required, optional) in FIELDS.items():
        objects = {"": ASYNCAPI, "info": ASYNCAPI["info"]}.get(place)
        for name, value in ({place: objects} if objects is not None else ASYNCAPI[place]).items():
            given = {key for key in value if not key.startswith("x-")}
            assert required <= given <= required | optional, (place, name, given)
    for operation in ASYNCAPI["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert set(operation.get("reply", {})) <= {"address", "channel", "messages"}


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    references = re.findall(r'"\$ref": "([^"]*)"', json.dumps(ASYNCAPI))
    assert len(references) > 50
    for reference in references:
        file, _, pointer = reference.partition("#/")
        at = ASYNCAPI if not file else json.loads((DOCS / FOLDER / file).read_bytes())
        for step in pointer.split("/"):
            at = at[step]


def test_channels_carry_what_the_market_takes_there() -> None:
    table = {channel.name: channel for channel in CHANNELS}
    for name in get_args(RequestChannel):
        assert set(table[name].bodies) == set(_ALLOWED[name])
    assert {body for name in ("cfp", "notice") for body in table[name].bodies} == set(DOWNLINK)


def test_the_subjects_are_those_that_credentials_allow() -> None:
    keys = MarketKeys.create(CountingEntropy())
    claims = claims_of(jwt_of(issue_participant_creds(keys, "demo", "acme")))["nats"]

    def named(address: str) -> str:
        return address.replace("{market}", "demo").replace("{participant}", "acme").replace("{delivery}", ">")

    sent = {
        named(ASYNCAPI["channels"][operation["channel"]["$ref"].rpartition("/")[2]]["address"])
        for operation in ASYNCAPI["operations"].values()
        if operation["action"] == "send"
    }
    assert sent == set(claims["pub"]["allow"])
    assert named(ASYNCAPI["channels"]["tape"]["address"]) in claims["sub"]["allow"]
    page = (DOCS / PAGE).read_text()
    for channel in CHANNELS:
        assert f"`{subject_of(channel.name)}`" in page


# --- worked messages -------------------------------------------------------------------------

STEPS, SAID = read_examples(DOCS / EXAMPLES)


def decoded(data: bytes) -> object:
    """Return what a message decodes to; None for one that the market refuses to read."""
    try:
        return decode_reply(data) if data.startswith(b'{"kind"') else decode_envelope(data)
    except DecodeError:
        return None


def test_the_worked_messages_decode_and_encode_to_the_same_bytes() -> None:
    values = [decoded(data) for data in SAID]
    assert values.count(None) == 3
    for data, value in zip(SAID, values, strict=True):
        if value is not None:
            assert encode(value) == data
            root = "Reply" if not isinstance(value, Envelope) else (
                "ParticipantEnvelope" if type(value.body) in UPLINK else "MarketEnvelope"
            )  # fmt: skip
            assert validator(root).is_valid(json.loads(data)), data


async def test_the_market_gives_the_same_replies_to_the_same_bytes() -> None:
    said = await play(STEPS)
    assert len(said) == len(SAID)
    assert [
        (one.data, before) for one, before in zip(said, SAID, strict=True) if not same(one.data, before)
    ] == []


def test_the_worked_messages_show_every_refusal_that_a_bidder_can_meet() -> None:
    codes = {json.loads(data)["code"] for data in SAID if data.startswith(b'{"kind":"takt.refused')}
    missing = {"limit", "check_failed", "too_large", "busy"}
    assert codes == REFUSAL_CODES - missing
    assert set(REFUSALS) == REFUSAL_CODES


def test_a_contract_that_was_amended_keeps_to_the_schema() -> None:
    contract = Contract(
        id="c-1", order_id="o-1", round_id="r-1", participant="acme", bid_id="b", site="ulm",
        items=(ContractItem(lot_id="o-1.mill", quantity=3),), payment_minor=5, start_us=1, end_us=2,
    )  # fmt: skip
    amended = ContractAmended(participant="acme", at_us=3, contract=contract)
    assert validator("ContractAmended").is_valid(json.loads(encode(amended)))


# --- the participant's machines --------------------------------------------------------------


def walk(said: list[Said], participant: str) -> Iterator[tuple[str, str]]:
    """Yield (conversation, trigger) as a participant sees them in an exchange."""
    for one, following in zip(said, [*said[1:], None], strict=True):
        message = json.loads(one.data) if decoded(one.data) is not None else {}
        body = message.get("body", {})
        kind = body.get("kind", "").split(".")[1:2]
        if one.sender == participant and following is not None and b"takt.receipt" in following.data:
            if one.channel == "bid":
                yield body["round_id"], f"{kind[0]} has a receipt"
            elif body["kind"] == "takt.report_milestone.v1":
                yield body["contract_id"], f"report {body['milestone']}"
        elif one.receiver == participant and one.channel == "cfp":
            yield body["round_id"], "call_for_proposals in"
        elif one.receiver == participant and kind == ["round_result"]:
            yield body["round_id"], f"round_result {'with' if body['awards'] else 'without'} awards in"
        elif one.receiver == participant and kind == ["contract_notice"]:
            yield body["contract_id"], f"notice {body['state']} in"


async def test_the_exchange_walks_the_participants_machines() -> None:
    ends: dict[str, str] = {}
    repeated = set()
    for conversation, trigger in walk(await play(STEPS), "acme"):
        table = PARTICIPANT_ROUND if conversation.startswith("r-") else PARTICIPANT_CONTRACT
        state = ends.get(conversation, "waiting" if conversation.startswith("r-") else "awarded")
        following = table.get((state, trigger))
        if following is None:  # a retry: its receipt repeats the first
            repeated.add(trigger)
        else:
            ends[conversation] = following
    assert repeated == {"report confirmed"}
    assert sorted(ends.values()) == ["at_risk", "settled", "won", "won"]
