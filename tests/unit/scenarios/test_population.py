from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from agents.profile import PlantProfile, SupplierProfile
from market.logistics.network import LogisticsNetwork
from market.model.order import expand
from scenarios.chance import stream, triangular
from scenarios.demand import draw_orders
from scenarios.errors import MissingFactError, ScenarioFileError
from scenarios.facts.tables import load_facts
from scenarios.orders_file import parse_orders
from scenarios.population import Population, build
from scenarios.report.picture import picture
from scenarios.scenario import Case, load_scenario, parse_scenario
from scenarios.should_cost import ShouldCost
from takt_sdk.model.messages import PublishPart
from takt_sdk.model.values import DAY_US, HOUR_US

ROOT = Path(__file__).parents[3]
LIBRARY = ROOT / "scenarios" / "library"
SHOPS = load_scenario(LIBRARY / "european-job-shops")
FACTS = load_facts()
SMOKE = (LIBRARY / "smoke" / "scenario.toml").read_text(encoding="utf-8")
ORDERS = (LIBRARY / "smoke" / "orders.csv").read_text(encoding="utf-8")

PRINT_DIGEST = (
    "import sys, hashlib; from pathlib import Path; from scenarios.scenario import load_scenario; "
    "from scenarios.population import build; "
    "print(hashlib.sha256(repr(build(load_scenario(Path(sys.argv[1])), seed=5)).encode()).hexdigest())"
)


def case(old: str = "", new: str = "", *, orders: str = ORDERS) -> Case:
    assert old in SMOKE, old
    scenario = parse_scenario(SMOKE.replace(old, new, 1), source="smoke.toml")
    return Case(source="smoke.toml", scenario=scenario, orders=parse_orders(orders))


def plants(population: Population) -> dict[str, PlantProfile]:
    return {p.participant: p for p in population.profiles if isinstance(p, PlantProfile)}


def test_the_same_seed_gives_the_same_population_in_any_process() -> None:
    digests = set()
    for hash_seed in ("0", "1", "random"):
        command = [sys.executable, "-c", PRINT_DIGEST, str(LIBRARY / "european-job-shops")]
        done = subprocess.run(
            command,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


def test_another_seed_draws_other_figures_but_the_orders_of_the_file_stay() -> None:
    first, second = build(SHOPS, seed=1), build(SHOPS, seed=2)
    assert build(SHOPS) == first
    assert first.orders == second.orders
    assert first.network == second.network
    rates = [
        {name: plant.work_centres[0].rate_minor_per_hour for name, plant in plants(population).items()}
        for population in (first, second)
    ]
    assert rates[0].keys() == rates[1].keys()
    assert sum(rates[0][name] != rates[1][name] for name in rates[0]) > 20


def test_one_plant_more_moves_nobody_elses_figures() -> None:
    more = parse_scenario(
        (LIBRARY / "european-job-shops" / "scenario.toml")
        .read_text(encoding="utf-8")
        .replace('cities = ["hamburg", "paris"', 'cities = ["geneva", "hamburg", "paris"', 1)
    )
    before = plants(build(SHOPS))
    after = plants(build(Case(source="more", scenario=more, orders=SHOPS.orders)))
    assert set(after) - set(before) == {"geneva-mill"}
    assert all(after[name] == plant for name, plant in before.items())


def test_the_european_job_shops_are_what_their_page_says() -> None:
    population = build(SHOPS)
    roles = [entry.roles[0] for entry in population.admissions]
    assert {role: roles.count(role) for role in roles} == {"plant": 24, "supplier": 6, "customer": 12}
    assert len(population.network.sites) == 21
    assert 60 <= len(population.orders) <= 100
    assert {order.command.part_id for order in population.orders} == {"box", "cover", "plate", "enclosure"}
    assert all(0 <= o.at_us - population.start_us < 7 * DAY_US for o in population.orders)
    enclosure = next(p.part for _, p in population.parts if p.part.id == "enclosure")
    kinds = [lot.kind for lot in enclosure.plan.lots]
    assert (kinds.count("material"), kinds.count("operation"), len(enclosure.plan.arcs)) == (3, 4, 6)
    assert population.rules.clearing_time_us == 0
    assert population.rules.periods.origin_us == population.start_us
    assert [p.participant for p in population.profiles] == [a.participant for a in population.admissions]


def test_every_lot_has_time_for_its_work_on_one_machine_in_one_shift() -> None:
    population = build(SHOPS)
    parts = {command.part.id: command.part for _, command in population.parts}
    slowest = max(c.run_time_ppm for plant in plants(population).values() for c in plant.work_centres)
    for order in population.orders:
        expanded = expand(
            order_id="o",
            customer=order.customer,
            part_id=order.command.part_id,
            plan=parts[order.command.part_id].plan,
            terms=order.command.terms,
            transit_us=population.rules.transit_us,
        )
        assert order.command.terms.deadline_us <= population.end_us
        for lot in expanded.lots:
            machine_us = HOUR_US + lot.run_time_us * lot.quantity * slowest // 1_000_000
            calendar_us = machine_us * 24 // 8 * 7 // 5
            assert calendar_us < lot.latest_end_us - lot.earliest_start_us, (
                order.command.idempotency_key,
                lot.id,
            )


def test_some_limits_are_below_what_the_part_should_cost_and_most_above() -> None:
    assert SHOPS.orders is not None
    parts = {part.id: part for part in SHOPS.scenario.parts}
    cost = ShouldCost(SHOPS.scenario, FACTS)
    shares = [line.limit_minor / cost.minor(parts[line.part], line.quantity) for line in SHOPS.orders]
    assert 0.05 < sum(share < 1 for share in shares) / len(shares) < 0.4


def test_cost_energy_and_margin_give_the_charged_price_again() -> None:
    for plant in plants(build(SHOPS)).values():
        country = FACTS.city(plant.site).country
        for centre in plant.work_centres:
            energy = centre.power_w * plant.energy_minor_per_mwh // 1_000_000
            charged = (
                (centre.rate_minor_per_hour + energy) * (1_000_000 + plant.pricing.margin_ppm) / 1_000_000
            )
            low, _, high = FACTS.get("machine_rate", centre.capabilities[0].process, country).scaled(100)
            assert low - 3 <= charged <= high + 3, (plant.participant, centre.id)


def test_a_supplier_sells_every_blank_at_the_same_level() -> None:
    population = build(SHOPS)
    for profile in population.profiles:
        if isinstance(profile, SupplierProfile):
            box, cover, _ = profile.materials
            assert box.cost_minor_per_unit / cover.cost_minor_per_unit == pytest.approx(60 / 16, rel=0.01)
            assert box.emissions_g_per_unit == 2916 * 12


def test_a_breakdown_is_the_plants_own_secret_and_on_record() -> None:
    population = build(SHOPS)
    (breakdown,) = population.breakdowns
    (disruption,) = plants(population)[breakdown.participant].disruptions
    assert (disruption.resource, disruption.window) == (breakdown.resource, breakdown.window)
    assert sum(len(plant.disruptions) for plant in plants(population).values()) == 1


def test_every_customer_publishes_every_part_and_every_pair_of_sites_is_connected() -> None:
    population = build(SHOPS)
    assert len(population.parts) == 12 * 4
    assert all(isinstance(command, PublishPart) for _, command in population.parts)
    sites = [site.id for site in population.network.sites]
    routes = LogisticsNetwork(population.network)
    assert len(routes.table(sites, sites)) == 21 * 20


def test_the_committed_orders_and_picture_are_those_that_the_scenario_gives() -> None:
    population = build(SHOPS)
    assert draw_orders(SHOPS.scenario, FACTS, SHOPS.scenario.seed) == SHOPS.orders
    committed = (LIBRARY / "european-job-shops" / "map.svg").read_text(encoding="utf-8")
    assert picture(population) == committed


def test_orders_are_drawn_with_the_runs_seed_where_there_is_no_file() -> None:
    drawn = Case(source="drawn", scenario=SHOPS.scenario, orders=None)
    first, second = build(drawn, seed=1), build(drawn, seed=2)
    assert first.orders == build(drawn, seed=1).orders
    assert first.orders != second.orders
    assert len(first.orders) == len(second.orders)


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ('cities = ["cologne", "paris"]', 'cities = ["cologne", "cologne"]', "participants", "cologne-mill"),
        ('work_centres = ["milling"]', 'work_centres = ["lathe"]', "plants[0].work_centres", "lathe"),
        ('cities = ["brussels"]', 'cities = ["atlantis"]', "suppliers[0].cities", "atlantis"),
        ('materials = ["plate-blank"]', 'materials = ["gold"]', "suppliers[0].materials", "gold"),
        ('flows_into = "mill"', 'flows_into = "blank"', "arcs", None),
    ],
)
def test_contradictions_are_refused_with_file_field_and_value(
    old: str, new: str, field: str, value: object
) -> None:
    with pytest.raises(ScenarioFileError) as caught:
        build(case(old, new))
    assert caught.value.field == field
    if value is not None:
        assert caught.value.value == value


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("calais-devices,plate,20", "nobody,plate,20", "orders[smoke-1].customer"),
        ("plate,20", "sphere,20", "orders[smoke-1].part"),
        ("20,calais", "20,atlantis", "orders[smoke-1].destination"),
        ("2026-03-14T00:00:00Z", "2026-03-01T00:00:00Z", "orders[smoke-1].due_us"),
        ("2026-03-17T00:00:00Z", "2026-03-13T00:00:00Z", "orders[smoke-1].deadline_us"),
    ],
)
def test_an_order_that_the_model_refuses_is_named_by_its_key(old: str, new: str, field: str) -> None:
    with pytest.raises(ScenarioFileError) as caught:
        build(case(orders=ORDERS.replace(old, new, 1)))
    assert caught.value.field == field


def test_a_figure_that_no_fact_holds_must_be_given() -> None:
    loom = case('process = "cnc_mill_3axis"\nmaterials', 'process = "weaving"\nmaterials')
    with pytest.raises(MissingFactError, match=r"machine_rate\.weaving"):
        build(loom)
    given = 'rate_minor_per_hour = 5000\nsetup_minutes = 10\npower_w = 700\nprocess = "weaving"\nmaterials'
    population = build(case('process = "cnc_mill_3axis"\nmaterials', given))
    centre = plants(population)["paris-mill"].work_centres[0]
    assert (centre.power_w, centre.setup_us) == (700, 600_000_000)


def test_a_disruption_of_nobody_is_refused() -> None:
    block = (
        '\n[[disruptions]]\nparticipant = "{}"\nwork_centre = "{}"\n'
        "start = 2026-03-05T00:00:00Z\nend = 2026-03-06T00:00:00Z\n"
    )
    for participant, centre, field in (
        ("rome-mill", "milling", "disruptions[0].participant"),
        ("paris-mill", "lathe", "disruptions[0].work_centre"),
    ):
        scenario = parse_scenario(SMOKE + block.format(participant, centre))
        with pytest.raises(ScenarioFileError) as caught:
            build(Case(source="smoke.toml", scenario=scenario, orders=parse_orders(ORDERS)))
        assert caught.value.field == field
    twice = block.format("paris-mill", "milling")
    scenario = parse_scenario(SMOKE + twice + twice.replace("03-05", "03-07").replace("03-06", "03-08"))
    population = build(Case(source="smoke.toml", scenario=scenario, orders=parse_orders(ORDERS)))
    assert len(plants(population)["paris-mill"].disruptions) == 2


def test_streams_are_apart_by_name_and_draws_stay_in_their_range() -> None:
    assert stream(1, "rate", "a").random() == stream(1, "rate", "a").random()
    assert (
        len({stream(seed, concern, name).random() for seed in (1, 2) for concern in "ab" for name in "xy"})
        == 8
    )
    rng = stream(1, "check")
    drawn = [triangular(rng, 10, 20, 40) for _ in range(2000)]
    assert (min(drawn) >= 10, max(drawn) <= 40) == (True, True)
    assert sum(drawn) / len(drawn) == pytest.approx((10 + 20 + 40) / 3, rel=0.03)
    assert triangular(rng, 7, 7, 7) == 7


DEMAND = """
[demand]
orders = 5
days = 2
slack_hours = { low = 24, typical = 24, high = 24 }
limit_ppm = { low = 1_000_000, typical = 1_000_000, high = 1_000_000 }
[[demand.parts]]
part = "plate"
weight = 1
quantity = { low = 10, typical = 20, high = 30 }
window_hours = { low = 240, typical = 264, high = 300 }
"""


def drawn(old: str = "", new: str = "", demand: str = DEMAND) -> Case:
    text = SMOKE.replace('orders = "orders.csv"', "", 1) + demand
    assert old in text, old
    return Case(source="drawn.toml", scenario=parse_scenario(text.replace(old, new, 1)), orders=None)


def test_a_drawn_limit_is_the_should_cost_that_one_can_add_up() -> None:
    mill = 'process = "cnc_mill_3axis"\nmaterials'
    fixed = drawn(mill, f"rate_minor_per_hour = 6000\nsetup_minutes = 30\n{mill}")
    population = build(fixed)
    lanes = population.network.lanes
    assert len(population.orders) == 5
    for order in population.orders:
        terms = order.command.terms
        assert 10 <= terms.quantity <= 30
        assert order.at_us < terms.release_us < terms.due_us < terms.deadline_us
        work = 6000 * (30 * 60 + 1185 * terms.quantity) // 3600
        blank = 1500 + terms.quantity * round(321 * Decimal("2.23") / Decimal("1.1") * Decimal("3.5") / 10)
        sites = {"calais", "cologne", "paris"}
        known = [lane for lane in lanes if {lane.source, lane.target} <= sites]
        road = sum(lane.fixed_minor + lane.unit_minor * terms.quantity for lane in known) // len(known)
        assert terms.reservation_value_minor == work + blank + 2 * road


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('part = "plate"\nweight', 'part = "sphere"\nweight', "demand.parts[0].part"),
        ('material = "plate-blank", flows', 'material = "gold", flows', "parts.lots[blank].material"),
        ('process = "cnc_mill_3axis", material', 'process = "weaving", material', "parts.lots[mill].process"),
    ],
)
def test_demand_that_nothing_can_be_drawn_from_is_refused(old: str, new: str, field: str) -> None:
    with pytest.raises(ScenarioFileError) as caught:
        build(drawn(old, new))
    assert caught.value.field == field


def test_orders_may_ask_for_certificates_by_share() -> None:
    certified = DEMAND.replace("days = 2", 'days = 2\ncertificates = ["iso-9001"]\ncertified_ppm = 1_000_000')
    assert {o.command.terms.certificates for o in build(drawn(demand=certified)).orders} == {("iso-9001",)}
    assert {o.command.terms.certificates for o in build(drawn()).orders} == {()}


def test_drawing_orders_from_no_demand_is_refused() -> None:
    with pytest.raises(ScenarioFileError, match="demand: is due where there is no orders file"):
        build(Case(source="none", scenario=parse_scenario(SMOKE), orders=None))
