"""Every rule that a value can break is a named error with the field and the value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from market.model.commands import AdmitParticipant, OpenMarket, SuspendParticipant
from market.model.network import Lane, Network, Site
from market.model.order import Order
from market.model.rules import Rules
from takt_sdk.model import errors
from takt_sdk.model.capability import Capability, Qualification, Requirement, WorkEnvelope
from takt_sdk.model.errors import ModelError
from takt_sdk.model.keys import check_key
from takt_sdk.model.messages import (
    DeclineCall,
    Envelope,
    Heartbeat,
    ReportMilestone,
    SubmitOrder,
    Tick,
    WireBody,
)
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.plan import Document, Part, PlannedArc, PlannedLot, ProcessPlan
from takt_sdk.model.sheet import Bids, BidSheet, Capacities, Groups
from takt_sdk.model.values import (
    DAY_US,
    MAX_MINOR,
    MAX_QUANTITY,
    MAX_TIME_US,
    MINUTE_US,
    PeriodGrid,
    Window,
    check_ids,
    check_ints,
)

STEEL = Requirement(process="supply", material="steel")
SHA = "ab" * 32
DUE = DAY_US


def terms(**changes: Any) -> OrderTerms:  # noqa: ANN401
    given: dict[str, Any] = {
        "quantity": 1,
        "destination": "bonn",
        "release_us": 0,
        "due_us": DUE,
        "deadline_us": DUE,
        "reservation_value_minor": 1,
    }
    return OrderTerms(**(given | changes))


def lot(**changes: Any) -> PlannedLot:  # noqa: ANN401
    given: dict[str, Any] = {"id": "a", "kind": "material", "requirement": STEEL}
    return PlannedLot(**(given | changes))


def plan(lots: str, *arcs: str, quantities: tuple[int, ...] = ()) -> ProcessPlan:
    """Return a plan of one-letter lots and arcs such as ``ab``."""
    many = quantities or (1,) * len(lots)
    return ProcessPlan(
        lots=tuple(lot(id=name, quantity_per_piece=q) for name, q in zip(lots, many, strict=True)),
        arcs=tuple(PlannedArc(source=arc[0], target=arc[1]) for arc in arcs),
    )


def site(**changes: Any) -> Site:  # noqa: ANN401
    given: dict[str, Any] = {"id": "bonn", "name": "Bonn", "country": "DE"}
    return Site(**(given | changes))


def lane(**changes: Any) -> Lane:  # noqa: ANN401
    given: dict[str, Any] = {"source": "a", "target": "b", "distance_m": 1, "transit_minutes": 1}
    return Lane(**(given | {"fixed_minor": 0, "unit_minor": 0} | changes))


def bids(**changes: Any) -> Bids:  # noqa: ANN401
    """Return two bids: a package of two lots with two uses, and a divisible bid on one."""
    given: dict[str, Any] = {
        "id": ("p", "d"),
        "site": ("bonn", "bonn"),
        "start_us": (0, 0),
        "end_us": (1, 1),
        "fixed_price_minor": (5, 0),
        "unit_price_minor": (0, 2),
        "min_quantity": (0, 3),
        "emissions_g": (0, 0),
        "item_offset": (0, 2, 3),
        "item_lot": ("l1", "l2", "l1"),
        "item_quantity": (10, 10, 10),
        "use_offset": (0, 2, 2),
        "use_capacity": (0, 1),
        "use_fixed": (1, 1),
        "use_per_unit": (0, 0),
        "group_offset": (0, 0, 0),
    }
    return Bids(**(given | changes))


def sheet(**changes: Any) -> BidSheet:  # noqa: ANN401
    rows = Capacities(resource=("w", "w"), period=(0, 1), available=(1, 1))
    given: dict[str, Any] = {"round_id": "r-1", "expires_us": 1, "capacities": rows, "bids": bids()}
    return BidSheet(**(given | changes))


def envelope(**changes: Any) -> Envelope[WireBody]:  # noqa: ANN401
    given: dict[str, Any] = {
        "message_id": "m",
        "correlation_id": "",
        "causation_id": "",
        "sender": "ada",
        "sequence": 0,
    }
    return Envelope(**(given | {"occurred_us": 0, "body": Heartbeat()} | changes))


Case = tuple[Callable[[], object], str, str, object]

ONE_LETTER_OFF = "UDVODSDZHNKZPRFT6SIOO2WDCFZMIOLJB6HOCQKCXOCRUYPZUSPQ4LXA"
WRONG_KIND = "UTVODSDZHNKZPRFT6SIOO2WDCFZMIOLJB6HOCQKCXOCRUYPZUSPQ4LXB"

CASES: tuple[Case, ...] = (
    # ids
    (lambda: terms(destination=""), "invalid_id", "destination", ""),
    (lambda: terms(destination="a b"), "invalid_id", "destination", "a b"),
    (lambda: terms(destination="x" * 129), "invalid_id", "destination", "x" * 129),
    (lambda: terms(destination=5), "invalid_id", "destination", 5),
    (lambda: lot(id="x" * 49), "invalid_id", "id", "x" * 49),
    (lambda: OpenMarket(market="Upper", rules=Rules()), "invalid_id", "market", "Upper"),
    (lambda: OpenMarket(market="-a", rules=Rules()), "invalid_id", "market", "-a"),
    (lambda: OpenMarket(market="a" * 64, rules=Rules()), "invalid_id", "market", "a" * 64),
    (lambda: AdmitParticipant(participant="a_b", roles=("plant",)), "invalid_id", "participant", "a_b"),
    (lambda: Document(sha256="AB" * 32, name="d"), "invalid_id", "sha256", "AB" * 32),
    (lambda: Document(sha256=SHA, name="a\nb"), "invalid_id", "name", "a\nb"),
    (lambda: Document(sha256=SHA, name="\ud800"), "invalid_id", "name", "\ud800"),
    (lambda: envelope(message_id="a\x00"), "invalid_id", "message_id", "a\x00"),
    (lambda: envelope(correlation_id=" "), "invalid_id", "correlation_id", " "),
    (lambda: envelope(sender="é"), "invalid_id", "sender", "é"),
    (lambda: bids(id=("p", "x" * 49)), "invalid_id", "id[1]", "x" * 49),
    # integers
    (lambda: terms(quantity=0), "out_of_range", "quantity", 0),
    (lambda: terms(quantity=-1), "out_of_range", "quantity", -1),
    (lambda: terms(quantity=MAX_QUANTITY + 1), "out_of_range", "quantity", MAX_QUANTITY + 1),
    (lambda: terms(quantity=1.5), "not_an_integer", "quantity", 1.5),
    (lambda: terms(quantity=1.0), "not_an_integer", "quantity", 1.0),
    (lambda: terms(quantity=True), "not_an_integer", "quantity", True),
    (lambda: terms(quantity="1"), "not_an_integer", "quantity", "1"),
    (lambda: terms(quantity=float("nan")), "not_an_integer", "quantity", float("nan")),
    (lambda: terms(reservation_value_minor=-1), "out_of_range", "reservation_value_minor", -1),
    (
        lambda: terms(reservation_value_minor=MAX_MINOR + 1),
        "out_of_range",
        "reservation_value_minor",
        MAX_MINOR + 1,
    ),
    (
        lambda: terms(lateness_penalty_minor_per_day=-5),
        "out_of_range",
        "lateness_penalty_minor_per_day",
        -5,
    ),
    (lambda: terms(max_suppliers=0), "out_of_range", "max_suppliers", 0),
    (lambda: terms(good_for_takts=0), "out_of_range", "good_for_takts", 0),
    (lambda: terms(release_us=-1), "out_of_range", "release_us", -1),
    (lambda: Tick(now_us=MAX_TIME_US + 1), "out_of_range", "now_us", MAX_TIME_US + 1),
    (lambda: envelope(sequence=-1), "out_of_range", "sequence", -1),
    (lambda: lot(quantity_per_piece=0), "out_of_range", "quantity_per_piece", 0),
    (lambda: lot(run_time_us=-1), "out_of_range", "run_time_us", -1),
    (lambda: WorkEnvelope(x_um=0, y_um=-1, z_um=0), "out_of_range", "y_um", -1),
    (lambda: replace(STEEL, tolerance_um=-1), "out_of_range", "tolerance_um", -1),
    (lambda: site(latitude_udeg=90_000_001), "out_of_range", "latitude_udeg", 90_000_001),
    (lambda: lane(unit_minor=-1), "out_of_range", "unit_minor", -1),
    (lambda: PeriodGrid(origin_us=0, length_us=MINUTE_US - 1), "out_of_range", "length_us", MINUTE_US - 1),
    (lambda: Rules(response_us=61 * 1_000_000), "out_of_range", "response_us", 61 * 1_000_000),
    (lambda: Rules(fee_ppm=1_000_001), "out_of_range", "fee_ppm", 1_000_001),
    (lambda: OpenMarket(market="m", rules=Rules(), seed=-1), "out_of_range", "seed", -1),
    # windows
    (lambda: Window(start_us=5, end_us=5), "invalid_window", "end_us", 5),
    (lambda: terms(due_us=0, deadline_us=0), "invalid_window", "due_us", 0),
    (lambda: terms(deadline_us=DUE - 1), "invalid_window", "deadline_us", DUE - 1),
    (lambda: bids(end_us=(1, 0)), "invalid_window", "end_us[1]", 0),
    # words
    (lambda: terms(data_class="secret"), "invalid_choice", "data_class", "secret"),
    (lambda: lot(kind="service"), "invalid_choice", "kind", "service"),
    (lambda: Rules(mechanism="lottery"), "invalid_choice", "mechanism", "lottery"),  # type: ignore[arg-type]
    (lambda: Rules(currency="Euro"), "invalid_choice", "currency", "Euro"),
    (lambda: Qualification(clearances=("all",)), "invalid_choice", "clearances[0]", "all"),  # type: ignore[arg-type]
    (lambda: AdmitParticipant(participant="a", roles=("bank",)), "invalid_choice", "roles[0]", "bank"),  # type: ignore[arg-type]
    (lambda: DeclineCall(round_id="r", code="lazy"), "invalid_choice", "code", "lazy"),  # type: ignore[arg-type]
    (
        lambda: ReportMilestone(contract_id="c", milestone="lost", at_us=0),  # type: ignore[arg-type]
        "invalid_choice",
        "milestone",
        "lost",
    ),
    # sets
    (lambda: terms(certificates=("a", "b", "a")), "duplicate_id", "certificates[2]", "a"),
    (lambda: plan("aa"), "duplicate_id", "lots[1].id", "a"),
    (lambda: plan("ab", "ab", "ab"), "duplicate_id", "arcs[1]", "a -> b"),
    (lambda: Network(sites=(site(), site())), "duplicate_id", "sites.id[1]", "bonn"),
    (
        lambda: Network(sites=(site(id="a"), site(id="b")), lanes=(lane(), lane())),
        "duplicate_id",
        "lanes[1]",
        "a -> b",
    ),
    (lambda: bids(id=("p", "p")), "duplicate_id", "id[1]", "p"),
    (lambda: bids(item_lot=("l1", "l1", "l1")), "duplicate_id", "item_lot[0:2][1]", "l1"),
    (
        lambda: Capacities(resource=("w", "w"), period=(1, 1), available=(1, 1)),
        "duplicate_id",
        "resource/period[1]",
        "w/1",
    ),
    (
        lambda: Groups(id=("g", "g"), max_accepted=(1, 1), fixed_price_minor=(0, 0)),
        "duplicate_id",
        "id[1]",
        "g",
    ),
    # references
    (lambda: plan("ab", "ac"), "unknown_reference", "arcs[0].target", "c"),
    (lambda: plan("ab", "cb"), "unknown_reference", "arcs[0].source", "c"),
    (lambda: Network(sites=(site(id="a"),), lanes=(lane(),)), "unknown_reference", "lanes[0].target", "b"),
    # emptiness and limits
    (lambda: ProcessPlan(lots=()), "empty", "lots", ()),
    (lambda: AdmitParticipant(participant="a", roles=()), "empty", "roles", ()),
    (
        lambda: SubmitOrder(idempotency_key="", part_id="p", terms=terms()),
        "empty",
        "idempotency_key",
        "",
    ),
    (
        lambda: Order(id="o", customer="ada", part_id="p", terms=terms(), lots=(), arcs=()),
        "empty",
        "lots",
        (),
    ),
    (lambda: SuspendParticipant(participant="a", reason="x" * 201), "too_many", "reason", "x" * 201),
    (
        lambda: Part(id="p", name="n", plan=plan("a"), documents=(Document(sha256=SHA, name="d"),) * 101),
        "too_many",
        "documents",
        101,
    ),
    (lambda: ProcessPlan(lots=tuple(lot(id=f"l{n}") for n in range(201))), "too_many", "lots", 201),
    # plans
    (lambda: plan("aba"[:2], "ab", "ba"), "cyclic_plan", "arcs", "a -> b"),
    (lambda: plan("a", "aa"), "cyclic_plan", "arcs", "a"),
    (lambda: plan("abc", "ab", "bc", "ca"), "cyclic_plan", "arcs", "a -> b -> c"),
    (lambda: plan("abc", "ac"), "unreachable_lot", "lots", "b"),
    (lambda: plan("ab", "ab", quantities=(2, 3)), "indivisible_flow", "arcs[0]", "a -> b"),
    # keys
    (lambda: check_key("key", "UABC"), "invalid_key", "key", "UABC"),
    (lambda: check_key("key", ONE_LETTER_OFF), "invalid_key", "key", ONE_LETTER_OFF),
    (lambda: check_key("key", WRONG_KIND), "invalid_key", "key", WRONG_KIND),
    # columns
    (lambda: bids(site=("bonn",)), "column_length", "site", 1),
    (lambda: bids(item_quantity=(1, 2)), "column_length", "item_quantity", 2),
    (lambda: bids(item_offset=(0, 3)), "column_length", "item_offset", 2),
    (lambda: bids(item_offset=(0, 3, 2)), "out_of_range", "item_offset", (0, 3, 2)),
    (lambda: bids(item_offset=(1, 2, 3)), "out_of_range", "item_offset", (1, 2, 3)),
    (lambda: bids(item_offset=(0, 3, 3), item_lot=("l1", "l2", "l3")), "out_of_range", "item_offset[2]", 3),
    (lambda: bids(item_offset=(0, 2, 9)), "out_of_range", "item_offset[2]", 9),
    (lambda: bids(min_quantity=(1, 3)), "out_of_range", "min_quantity[0]", 1),
    (lambda: bids(min_quantity=(0, 11)), "out_of_range", "min_quantity[1]", 11),
    (lambda: bids(min_quantity=(0, -1)), "out_of_range", "min_quantity[1]", -1),
    (lambda: bids(item_quantity=(10, 0, 10)), "out_of_range", "item_quantity[1]", 0),
    (lambda: bids(item_quantity=(10, 2.5, 10)), "not_an_integer", "item_quantity[1]", 2.5),
    (lambda: bids(fixed_price_minor=(5, -1)), "out_of_range", "fixed_price_minor[1]", -1),
    (lambda: bids(use_capacity=(1, 1)), "out_of_range", "use_capacity[0:2]", (1, 1)),
    (lambda: sheet(bids=bids(use_capacity=(0, 2))), "out_of_range", "bids.use_capacity[1]", 2),
    (
        lambda: sheet(bids=bids(group_offset=(0, 1, 1), group_index=(0,))),
        "out_of_range",
        "bids.group_index[0]",
        0,
    ),
    (lambda: Capacities(resource=("w",), period=(0,), available=(-1,)), "out_of_range", "available[0]", -1),
    (
        lambda: Groups(id=("g",), max_accepted=(-1,), fixed_price_minor=(0,)),
        "out_of_range",
        "max_accepted[0]",
        -1,
    ),
)


@pytest.mark.parametrize(("make", "code", "field", "value"), CASES)
def test_an_invalid_value_cannot_be_made(
    make: Callable[[], object], code: str, field: str, value: object
) -> None:
    with pytest.raises(ModelError) as caught:
        make()
    error = caught.value
    assert (error.code, error.field, repr(error.value)) == (code, field, repr(value))
    assert str(error).startswith(f"{field} {error.rule}")
    assert "; was " in str(error)


def test_every_error_of_the_tree_is_met_by_a_case() -> None:
    met = {code for _, code, _, _ in CASES}
    made = {
        kind("f", 1).code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ModelError)
    }
    assert met == made - {"model"}


def test_long_values_are_shortened_in_the_message_only() -> None:
    with pytest.raises(ModelError) as caught:
        terms(destination="y" * 500)
    assert len(str(caught.value)) < 200
    assert caught.value.value == "y" * 500
    assert not caught.value.retryable


def test_values_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        terms().quantity = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"quantity": MAX_QUANTITY}, "quantity"),
        ({"reservation_value_minor": MAX_MINOR}, "reservation_value_minor"),
    ],
)
def test_the_largest_values_are_values(changes: dict[str, int], field: str) -> None:
    assert getattr(terms(**changes), field) == changes[field]


def test_whole_columns_are_checked_and_the_first_wrong_element_is_named() -> None:
    check_ints("x", (), 0, 1)
    check_ints("x", (0, 1), 0, 1)
    with pytest.raises(ModelError, match=r"x\[2\] is out of range: 0 to 1; was 2"):
        check_ints("x", (0, 1, 2, 3), 0, 1)
    with pytest.raises(ModelError, match=r"x\[1\] must be an integer; was False"):
        check_ints("x", (0, False), 0, 1)
    check_ids("x", ("a", "b"))
    with pytest.raises(ModelError, match=r"x\[1\] is not a valid id"):
        check_ids("x", ("a", "ä"))


# --- windows and periods ---------------------------------------------------------------------


def test_windows_are_half_open() -> None:
    window = Window(start_us=10, end_us=20)
    assert window.overlaps(Window(start_us=19, end_us=30))
    assert not window.overlaps(Window(start_us=20, end_us=30))
    assert not window.overlaps(Window(start_us=5, end_us=10))
    assert window.overlaps(Window(start_us=12, end_us=13))


def test_periods_tile_time() -> None:
    grid = PeriodGrid(origin_us=DAY_US, length_us=DAY_US)
    assert [grid.index(time_us) for time_us in (0, DAY_US - 1, DAY_US, 2 * DAY_US - 1, 2 * DAY_US)] == [
        -1,
        -1,
        0,
        0,
        1,
    ]
    assert grid.window(3) == Window(start_us=4 * DAY_US, end_us=5 * DAY_US)


# --- eligibility -----------------------------------------------------------------------------

SMALL, LARGE = WorkEnvelope(x_um=1, y_um=5, z_um=3), WorkEnvelope(x_um=3, y_um=1, z_um=6)
MILL = Capability(process="milling", materials=("steel",), envelope=LARGE, tolerance_um=10)


@pytest.mark.parametrize(
    ("changes", "covered"),
    [
        ({}, True),
        ({"process": "turning"}, False),
        ({"material": "brass"}, False),
        ({"tolerance_um": 9}, False),
        ({"tolerance_um": 10}, True),
        ({"tolerance_um": 0}, True),
        ({"envelope": SMALL}, True),
        ({"envelope": LARGE}, True),
        ({"envelope": WorkEnvelope(x_um=7, y_um=1, z_um=1)}, False),
        ({"envelope": WorkEnvelope(x_um=2, y_um=2, z_um=2)}, False),
    ],
)
def test_a_capability_covers_what_it_can_do(changes: dict[str, Any], covered: bool) -> None:
    requirement = replace(Requirement(process="milling", material="steel"), **changes)
    assert MILL.covers(requirement) is covered
    assert Qualification(capabilities=(MILL,)).eligible(requirement, "open") is covered


def test_any_material_and_no_envelope_set_no_bounds() -> None:
    able = Capability(process="milling", materials=("any",))
    assert able.covers(Requirement(process="milling", material="brass", envelope=LARGE))


@pytest.mark.parametrize(
    ("data_class", "clearances", "eligible"),
    [
        ("open", (), True),
        ("nda", (), False),
        ("nda", ("nda",), True),
        ("restricted", ("nda",), False),
        ("on_site", ("nda", "on_site"), True),
    ],
)
def test_clearances(data_class: Any, clearances: Any, eligible: bool) -> None:  # noqa: ANN401
    able = Qualification(capabilities=(MILL,), clearances=clearances)
    assert able.eligible(Requirement(process="milling", material="steel"), data_class) is eligible


def test_certificates_are_all_needed() -> None:
    asked = Requirement(process="milling", material="steel", certificates=("a", "b"))
    assert not Qualification(capabilities=(MILL,), certificates=("a",)).eligible(asked, "open")
    assert Qualification(capabilities=(MILL,), certificates=("a", "b", "c")).eligible(asked, "open")
    assert not Qualification(certificates=("a", "b")).eligible(asked, "open")


# --- sheets ----------------------------------------------------------------------------------


def test_a_bid_is_a_view_of_its_row() -> None:
    package, divisible = sheet()
    assert (package.items, package.uses) == ((("l1", 10), ("l2", 10)), ((0, 1, 0), (1, 1, 0)))
    assert (divisible.items, divisible.uses, divisible.min_quantity) == ((("l1", 10),), (), 3)
    assert (package.price_minor(20), divisible.price_minor(7)) == (5, 14)
    assert len(bids()) == 2
    assert len(Capacities()) == 0


def test_an_empty_sheet_is_a_sheet() -> None:
    empty = BidSheet(round_id="r-1", expires_us=0)
    assert list(empty) == []
    assert list(BidSheet(round_id="r-1", expires_us=0, bids=Bids(item_offset=(), use_offset=()))) == []
