"""Reading problems: what is refused, how it is named, what survives."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from market.clearing.documents import problem_bytes
from market.clearing.documents.problem_document import problem_to_json
from market.clearing.documents.problem_json import problem_from_document, problem_from_json
from market.clearing.errors import ProblemError
from tests.unit.market.clearing.documents import Document, bid, document, order, split, use, way

MARKET = document(
    orders=[
        order("a", 9, 10, arcs=[{"id": "a1", "from": "a", "to_site": "s"}]),
        order(
            "b",
            9,
            lots=[{"id": "b1", "quantity": 4}, {"id": "b2", "quantity": 2}],
            arcs=[{"id": "b1-b2", "from": "b1", "to": "b2"}],
        ),
        order("c", 9),
    ],
    resources=[{"id": "m", "capacity": 10}],
    bids=[
        bid("x", "a", 1, 10, site="s", bidder="p", groups=["g"], uses=[use("m", 1)]),
        split("y", "b1", 1, 4, site="t", start=3),
        bid("z", "b2", 1, 2, site="t", bidder="p", groups=["g"]),
    ],
    groups=[{"id": "g", "max_accepted": 1, "fixed_price": 3}],
    transport=[way("s", "t", 1, 2, 3)],
)


def text(market: Document = MARKET) -> str:
    return json.dumps(market)


def said(raw: bytes | str) -> str:
    with pytest.raises(ProblemError) as caught:
        problem_from_json(raw.encode() if isinstance(raw, str) else raw)
    return str(caught.value)


def test_what_is_written_reads_as_the_same(tmp_path: Path) -> None:
    problem = problem_from_json(text().encode())
    canonical = problem_to_json(problem)
    assert problem_to_json(problem_from_json(canonical)) == canonical
    assert problem_to_json(problem_from_json(gzip.compress(canonical))) == canonical
    file = tmp_path / "market.json"
    file.write_text(json.dumps(MARKET, indent=2))
    assert problem_to_json(problem_from_json(file)) == canonical
    assert problem_to_json(problem_from_json(str(file))) == canonical


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("", "document: is not valid JSON"),
        ("{", "document: is not valid JSON"),
        ("[]", "document: must be an object (was [])"),
        ("null", "document: must be an object (was null)"),
        ('"' + "x" * 100 + '"', 'document: must be an object (was "xxx'),
        ("[" * 100_000, "document: is nested too deeply"),
        ("1" * 5000, "document: is not valid JSON"),
        (b"\xef\xbb\xbf{}", "kind: missing"),
        (b"\xff\xfe{", "document: is not valid JSON"),
        (b"\x1f\x8bno gzip", "document: is not valid gzip"),
        (gzip.compress(b"{}", mtime=0)[:-9], "document: is not valid gzip (it ends early)"),
        (gzip.compress(b"{}", mtime=0) + b"more", "document: is not valid gzip"),
    ],
)
def test_what_is_no_document_is_refused(raw: bytes | str, message: str) -> None:
    assert message in said(raw)


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ['"value": 9', '"capacity": 10', '"seed": 1'])
def test_what_is_no_number_is_refused(name: str, field: str) -> None:
    wrong = text().replace(field, field.partition(":")[0] + f": {name}", 1)
    assert said(wrong) == f"document: holds {name}, which is not a JSON number"


@pytest.mark.parametrize("value", ["1.0", "1e3", '"1"', "true", "null", "[1]"])
def test_integers_are_integers(value: str) -> None:
    shown = json.dumps(json.loads(value))
    wrong = text().replace('"capacity": 10', f'"capacity": {value}')
    assert said(wrong) == f"resources[0].capacity: must be an integer (was {shown})"


@pytest.mark.parametrize(
    ("part", "repeated", "path"),
    [
        ('"currency": "EUR"', '"currency": "EUR", "currency": "EUR"', "document"),
        ('"capacity": 10', '"capacity": 1, "capacity": 10', "resources[0]"),
        ('"capacity": 10', '"capacity" : 1, "capacity": 10', "resources[0]"),
        ('"capacity": 10', '"capacity"\n: 1, "capacity"\t:10', "resources[0]"),
        ('"capacity": 10', '"cap\\u0061city": 1, "capacity": 10', "resources[0]"),
        ('"fixed": 1, "per_unit": 0', '"fixed": 1, "per_unit": 0, "fixed": 1', "bids[0].uses[0]"),
        ('{"id": "b2"', '{"id": "b2", "id": "b2"', "orders[1].lots[1]"),
    ],
)
def test_repeated_keys_are_refused(part: str, repeated: str, path: str) -> None:
    assert part in text()
    assert said(text().replace(part, repeated, 1)) == f"{path}: a key stands twice in this object"


def test_a_repeated_key_beside_ids_that_look_like_keys() -> None:
    odd = '":\\": "id": ' + "\\"
    market = text(document(orders=[order(odd, 9)], resources=[{"id": odd, "capacity": 1}]))
    assert problem_from_json(market.encode()).order_ids == (odd,)
    assert "stands twice" in said(market.replace('"capacity": 1', '"capacity": 1, "capacity": 1'))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "takt.problem.v2"}, 'kind: must be "takt.problem.v1" (was "takt.problem.v2")'),
        ({"currency": ""}, 'currency: must have 1 to 128 characters (was "")'),
        ({"mechanism": "lottery"}, "mechanism: must be one of pay_as_bid, second_price"),
        ({"mechanism": "l" * 99}, f'(was "{"l" * 60}")'),
        ({"seed": -1}, "seed: must be 0 to 9007199254740991 (was -1)"),
        ({"orders": {}}, "orders: must be a list (was {})"),
        ({"colour": 1}, "colour: unknown field"),
    ],
)
def test_the_document_itself(change: Document, message: str) -> None:
    assert message in said(text(MARKET | change))


@pytest.mark.parametrize(
    ("part", "index", "change", "message"),
    [
        ("orders", 0, {"id": ""}, "orders[0].id: must have 1 to 128 characters (has 0)"),
        ("orders", 0, {"id": "x" * 129}, "orders[0].id: must have 1 to 128 characters (has 129)"),
        ("orders", 0, {"id": "\ud800"}, "orders[0].id: is not valid Unicode"),
        ("orders", 1, {"id": "a"}, 'orders[1].id: used twice ("a")'),
        ("orders", 0, {"value": -1}, "orders[0].value: must be 0 to 9007199254740991 (was -1)"),
        (
            "orders",
            0,
            {"value": 2**53},
            "orders[0].value: must be 0 to 9007199254740991 (was 900719925474099",
        ),
        ("orders", 0, {"value": 10**40}, "orders[0].value: must be 0 to 9007199254740991 (was 1000"),
        ("orders", 2, {"lots": []}, "orders[2].lots: must hold at least one lot (was [])"),
        ("orders", 0, {"lots": [7]}, "orders[0].lots[0]: must be an object (was 7)"),
        ("orders", 0, {"max_suppliers": 0}, "orders[0].max_suppliers: must be null or at least 1 (was 0)"),
        ("orders", 0, {"max_suppliers": -1}, "orders[0].max_suppliers: must be null or at least 1 (was -1)"),
        ("orders", 0, {"partial": True, "must_serve": True}, "orders[0].partial: a must_serve order cannot"),
        ("orders", 0, {"arcs": [{"id": "q", "from": "a", "to": "a"}]}, "orders[0].arcs[0].to: must differ"),
        (
            "orders",
            0,
            {"arcs": [{"id": "q", "from": "a", "to": "b1"}]},
            "orders[0].arcs[0]: must join lots of",
        ),
        (
            "orders",
            0,
            {"arcs": [{"id": "q", "from": "zz", "to": "a"}]},
            'orders[0].arcs[0].from: unknown "zz"',
        ),
        (
            "orders",
            1,
            {"arcs": [{"id": "q", "from": "b1", "to": "zz"}]},
            'orders[1].arcs[0].to: unknown "zz"',
        ),
        ("orders", 0, {"arcs": [{"id": "q", "from": "a"}]}, "orders[0].arcs[0].to: missing"),
        ("resources", 0, {"capacity": -1}, "resources[0].capacity: must be 0 to"),
        ("bids", 2, {"id": "x"}, 'bids[2].id: used twice ("x")'),
        ("bids", 0, {"items": []}, "bids[0].items: must name at least one lot (was [])"),
        ("bids", 0, {"items": [{"lot": "zz", "quantity": 1}]}, 'bids[0].items[0].lot: unknown "zz"'),
        ("bids", 0, {"items": [{"lot": "a", "quantity": 0}]}, "bids[0].items[0].quantity: must be 1 to"),
        ("bids", 0, {"items": [{"lot": "a", "quantity": 1}] * 2}, 'bids[0].items: "a" stands in it twice'),
        ("bids", 0, {"uses": [use("m", 1)] * 2}, 'bids[0].uses: "m" stands in it twice'),
        ("bids", 0, {"uses": [use("p9/x", 1)]}, 'bids[0].uses[0].resource: unknown "p9/x"'),
        (
            "bids",
            0,
            {"uses": [use("m", -1)]},
            "bids[0].uses[0].fixed: must be 0 to 9007199254740991 (was -1)",
        ),
        ("bids", 0, {"groups": ["zz"]}, 'bids[0].groups[0]: unknown "zz"'),
        ("bids", 0, {"groups": [5]}, "bids[0].groups[0]: must be a string (was 5)"),
        ("bids", 0, {"groups": ["g", "g"]}, 'bids[0].groups: "g" stands in it twice'),
        ("bids", 1, {"groups": ["g"]}, 'bids[1].groups: "g" holds bids of another bidder'),
        ("bids", 0, {"site": None}, 'bids[0].site: must not be null: "a" has arcs'),
        ("bids", 1, {"min_quantity": 0}, "bids[1].min_quantity: must be 1 to 4 (was 0)"),
        ("bids", 1, {"min_quantity": 5}, "bids[1].min_quantity: must be 1 to 4 (was 5)"),
        (
            "bids",
            2,
            {"divisible": True, "items": [{"lot": x, "quantity": 1} for x in ("b1", "b2")]},
            "bids[2].items: a divisible bid has one item (has 2)",
        ),
        ("bids", 0, {"start": 2**53}, "bids[0].start: must be within ±9007199254740991 (was 900719925474099"),
        ("bids", 0, {"end": -(2**53)}, "bids[0].end: must be within ±9007199254740991 (was -900719925474099"),
        ("bids", 0, {"start": 2**80}, "bids[0].start: must be within ±9007199254740991"),
        ("bids", 0, {"start": 100, "end": 5}, "bids[0].end: must not be before its start 100 (was 5)"),
        ("bids", 0, {"start": -(2**63)}, "bids[0].start: must be within ±9007199254740991"),
        ("bids", 0, {"score": -(2**53)}, "bids[0].score: must be -9007199254740991 to 9007199254740991"),
        ("groups", 0, {"max_accepted": -2}, "groups[0].max_accepted: must be null or at least 0 (was -2)"),
        ("groups", 0, {"fixed_price": "1"}, 'groups[0].fixed_price: must be an integer (was "1")'),
        ("transport", 0, {"minutes": -1}, "transport[0].minutes: must be 0 to 9007199254740991 (was -1)"),
        ("transport", 0, {"from": 3}, "transport[0].from: must be a string (was 3)"),
        ("transport", 0, {"to": ""}, "transport[0].to: must have 1 to 128 characters (has 0)"),
        ("transport", 0, {"from": "\ud800"}, "transport[0].from: is not valid Unicode"),
        ("bids", 1, {"site": "x" * 129}, "bids[1].site: must have 1 to 128 characters (has 129)"),
        ("bids", 2, {"bidder": ""}, "bids[2].bidder: must have 1 to 128 characters (has 0)"),
        (
            "orders",
            0,
            {"arcs": [{"id": "q", "from": "a", "to_site": ""}]},
            "orders[0].arcs[0].to_site: must have 1 to 128 characters (has 0)",
        ),
    ],
)
def test_every_value_is_named_by_its_path(part: str, index: int, change: Document, message: str) -> None:
    rows = [row | change if k == index else row for k, row in enumerate(MARKET[part])]
    with pytest.raises(ProblemError) as caught:
        problem_from_document(MARKET | {part: rows})
    assert message in str(caught.value)


def test_a_way_stands_once() -> None:
    rows = [way("s", "t", 1), way("t", "s", 1), way("s", "t", 2)]
    assert said(text(MARKET | {"transport": rows})) == 'transport[2]: "s" to "t" stands twice'


def test_the_first_wrong_record_is_named_however_far_it_stands() -> None:
    market = document(resources=[{"id": f"r{k}", "capacity": k} for k in range(5000)])
    market["resources"][4321]["capacity"] = None
    assert said(text(market)) == "resources[4321].capacity: must be an integer (was null)"


def test_a_document_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A few bytes of gzip must not fill the memory."""
    monkeypatch.setattr(problem_bytes, "MAX_BYTES", 1000)
    assert "at most 1000 bytes when decompressed" in said(gzip.compress(b" " * 10**7))
    assert "at most 1000 bytes when decompressed" in said(gzip.compress(b" " * 600) * 2)
    file = tmp_path / "long.json"
    file.write_bytes(b" " * 1001)
    with pytest.raises(ProblemError, match=r"at most 1000 bytes \(has 1001\)"):
        problem_from_json(file)


@pytest.mark.slow
def test_a_file_of_a_million_lines() -> None:
    bids = [bid(f"b{k:06d}", f"o{k % 9000}", 1, uses=[use("m", 1)], groups=[]) for k in range(48_000)]
    market = document(
        orders=[order(f"o{k}", 9) for k in range(9000)], resources=[{"id": "m", "capacity": 8}], bids=bids
    )
    lines = json.dumps(market, indent=0)
    assert lines.count("\n") > 1_000_000
    assert problem_to_json(problem_from_json(lines.encode())) == problem_to_json(
        problem_from_document(market)
    )
    market["bids"][47_999]["uses"][0]["resource"] = "n"
    assert said(json.dumps(market, indent=0)) == 'bids[47999].uses[0].resource: unknown "n"'
