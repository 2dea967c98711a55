from __future__ import annotations

import itertools
import re
from html.parser import HTMLParser

import pytest

from scenarios.report import charts, wording
from scenarios.report.flow_map import LETTER, LINE, flow_map
from scenarios.report.gantt import BAR, gantt
from scenarios.report.render import render
from scenarios.summary import SiteRow, Summary
from takt_sdk.model.values import DAY_US
from tests.unit.scenarios.samples import MONDAY_US, sample_summary

SUMMARY = sample_summary()
HTML = render(SUMMARY)
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Outline(HTMLParser):
    """Checks that tags balance, and keeps attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def changed(**fields: object) -> Summary:
    return SUMMARY.model_copy(update=fields)


def test_the_report_is_well_formed_and_needs_no_other_file() -> None:
    outline = Outline(HTML)
    assert outline.open == []
    assert {tag for tag, _, _ in outline.attributes}.isdisjoint({"script", "link", "img", "iframe", "object"})
    for _, name, value in outline.attributes:
        assert not name.startswith("on"), name
        if name in {"href", "src", "action", "data"} or "url(" in value:
            assert re.fullmatch(r"url\(#\w+\)|#\w+", value), value
    css = "".join(re.findall(r"<style>(.*?)</style>", HTML, re.DOTALL))
    assert set(re.findall(r"url\(([^)]*)\)", css)) <= {"#hatch"}
    assert "@import" not in css
    assert "default-src 'none'" in HTML


def test_the_headline_figures_stand_in_it_with_their_units() -> None:
    text = re.sub(r"[ \n]+", " ", " ".join(Outline(HTML).text))
    for figure in (
        "4 of 6",
        f"1{wording.THIN}845 EUR",
        f"0.650{wording.THIN}%",
        f"1.24{wording.THIN}t",
        f"1.21{wording.THIN}s",
        f"8.43{wording.THIN}s",
        "sha256:" + "5eed" * 16,
        "seed 7",
        "1 contracts at risk",
    ):
        assert figure in text, figure
    for order in SUMMARY.orders:
        assert order.order_id in text


def test_text_from_outside_is_escaped_everywhere() -> None:
    evil = "<img src=x onerror=alert(1)>\"'&"
    orders = tuple(
        order.model_copy(update={"customer": evil, "destination": evil, "reasons": (evil,), "part": evil})
        for order in SUMMARY.orders
    )
    contracts = tuple(row.model_copy(update={"lot": evil}) for row in SUMMARY.contracts)
    sites = tuple(row.model_copy(update={"name": evil}) for row in SUMMARY.sites)
    html = render(
        changed(
            title=evil,
            orders=orders,
            contracts=contracts,
            sites=sites,
            versions={evil: evil},
            orders_by_state={evil: 6},
        )
    )
    assert "<img" not in html
    assert Outline(html).open == []
    assert all(not name.startswith("on") for _, name, _ in Outline(html).attributes)


def test_the_same_summary_gives_the_same_report() -> None:
    assert render(sample_summary()) == HTML


def test_a_run_in_which_nothing_happened_still_has_a_report() -> None:
    rows = [name for name in Summary.model_fields if isinstance(getattr(SUMMARY, name), tuple)]
    nothing: dict[str, object] = dict.fromkeys(rows, ())
    numbers = ("orders_total", "orders_served", "charges_minor", "production_emissions_g")
    unknown = ("bound_minor", "gap_ppm", "first_award_wall_ms")
    counts: dict[str, dict[str, int]] = {"orders_by_state": {}, "messages_by_kind": {}, "phase_wall_ms": {}}
    empty = changed(**nothing, **dict.fromkeys(numbers, 0), **dict.fromkeys(unknown), **counts)
    assert Outline(render(empty)).open == []


@pytest.mark.parametrize(
    ("minor", "text"),
    [
        (0, "0"),
        (49, "0"),
        (50, "1"),
        (123_456_789, "1 234 568"),
        (-150, "-2"),
        (-123_400, "-1 234"),
        (None, "–"),
    ],
)
def test_money_reads_in_whole_major_units(minor: int | None, text: str) -> None:
    shown = wording.money(minor)
    assert shown.replace(wording.THIN, " ").replace(wording.MINUS, "-") == text


def test_other_figures_choose_the_unit_that_reads_best() -> None:
    shown = [wording.mass(grams) for grams in (0, 999, 1_000, 999_000, 1_234_567)]
    assert [text.replace(wording.THIN, " ") for text in shown] == ["0 g", "999 g", "1 kg", "999 kg", "1.23 t"]
    assert wording.wall(1_234).replace(wording.THIN, " ") == "1.23 s"
    assert wording.wall(61_234).replace(wording.THIN, " ") == "61.2 s"
    assert wording.ppm(0).replace(wording.THIN, " ") == "0 %"
    assert wording.ppm(1).replace(wording.THIN, " ") == "0.000 %"
    assert wording.share(1, 0) == wording.NONE
    assert wording.iso(MONDAY_US) == "2026-03-02 00:00"
    assert wording.day(MONDAY_US + DAY_US) == "03 Mar 00:00"


def test_labels_of_a_crowded_map_do_not_cover_each_other() -> None:
    cities = {
        "brussels": (50.85, 4.35),
        "calais": (50.95, 1.86),
        "paris": (48.85, 2.35),
        "cologne": (50.93, 6.95),
        "hook of holland": (51.98, 4.13),
        "lyons": (45.75, 4.85),
        "geneva": (46.20, 6.15),
        "milan": (45.46, 9.19),
        "stockholm": (59.33, 18.07),
        "lisbon": (38.73, -9.15),
        "athens": (37.98, 23.73),
    }
    sites = tuple(
        SiteRow(site=name, name=name, country="XX", latitude_udeg=int(n * 1e6), longitude_udeg=int(e * 1e6))
        for name, (n, e) in cities.items()
    )
    picture = flow_map(sites, (), ())
    assert picture is not None
    boxes = []
    for place in picture.places:
        width = len(place.name) * LETTER
        left = place.label_x - {"start": 0, "middle": width / 2, "end": width}[place.anchor]
        boxes.append((left, place.label_y - LINE + 3, left + width, place.label_y + 3))
        assert left >= 0
        assert left + width <= picture.width
    for a, b in itertools.combinations(boxes, 2):
        assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3])


def test_the_map_has_north_up_and_east_right_and_no_flow_within_a_site() -> None:
    picture = flow_map(SUMMARY.sites, SUMMARY.participants, SUMMARY.flows)
    assert picture is not None
    at = {place.name: (place.x, place.y) for place in picture.places}
    assert at["Stockholm"][1] < at["Paris"][1] < at["Lisbon"][1]
    assert at["Lisbon"][0] < at["Paris"][0] < at["Vienna"][0]
    assert len(picture.bows) == 3
    assert picture.thickest == 40
    strokes = [bow.stroke for bow in picture.bows]
    assert strokes == sorted(strokes, reverse=True)
    assert len({bow.path for bow in picture.bows}) == 3
    assert flow_map(SUMMARY.sites[:1], (), SUMMARY.flows) is not None


def test_overlapping_contracts_stand_above_each_other() -> None:
    picture = gantt(SUMMARY)
    assert picture is not None
    rows = {row.participant: row for row in picture.rows}
    first, second, third = rows["cologne-mill"].bars
    assert first.x < second.x < first.x + first.width
    assert second.y - first.y > BAR
    assert third.y == first.y
    assert third.tone == "busy"
    for row in picture.rows:
        for bar in row.bars:
            assert row.y <= bar.y
            assert bar.y + BAR <= row.y + row.height
            assert picture.left <= bar.x < bar.x + bar.width <= picture.width


def test_a_breakdown_and_the_shifts_are_marked_in_their_row() -> None:
    picture = gantt(SUMMARY)
    assert picture is not None
    rows = {row.participant: row for row in picture.rows}
    assert len(rows["lisbon-mill"].outages) == 1
    assert "08 Mar 00:00 to 17 Mar 00:00" in rows["lisbon-mill"].outages[0].title
    assert rows["cologne-mill"].outages == ()
    assert rows["cologne-mill"].open_path.count("M") == 14  # five days, not the sixth and seventh
    assert [text for _, text, monday in picture.ticks if monday] == ["Mon 02 Mar", "Mon 09 Mar", "Mon 16 Mar"]


def test_columns_add_up_to_the_charge_and_stay_inside() -> None:
    chart = charts.charges(SUMMARY)
    assert chart is not None
    assert len(chart.columns) == 4
    heights = [sum(rect.height for rect in column.rects) for column in chart.columns]
    assert heights == sorted(heights, reverse=True)
    for column in chart.columns:
        assert column.mark_y is not None
        assert column.mark_y <= min(rect.y for rect in column.rects)
        assert all(rect.y >= 0 for rect in column.rects)
    takts = charts.takts(SUMMARY)
    assert takts is not None
    assert [column.label for column in takts.columns] == ["1", "2", "4"]


def test_use_is_a_share_of_what_was_declared_and_stops_at_the_last_busy_week() -> None:
    weeks, rows = charts.use(SUMMARY)
    assert weeks == ("week 1", "week 2", "week 3")
    assert [[cell[0] for cell in row.cells] for row in rows] == [[0, 82, 25], [0, 41, 13], [0, 28, 8]]


def test_pieces_of_a_bar_fill_it() -> None:
    pieces = charts.states(SUMMARY)
    assert [piece.tone for piece in pieces] == ["good", "busy", "bad", "void"]
    assert sum(piece.size for piece in pieces) == pytest.approx(100, abs=0.01)
    assert pieces[-1].title.replace(wording.THIN, " ") == "cancelled: 1 order, 16.7 %"
