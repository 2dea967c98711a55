"""docs/clearing.md and its schemas: they accept what the code accepts, and the example is true.

TAKT_REGENERATE=1 writes the example's result anew.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import jsonschema  # type: ignore[import-untyped]
import pytest

from market.adapters.solver_pulp import PulpSolver
from market.clearing.checker.certificate import certified_bound
from market.clearing.clear import clear
from market.clearing.documents.problem_document import problem_to_json
from market.clearing.documents.problem_json import problem_from_document
from market.clearing.documents.result_json import clearing_from_json
from market.clearing.errors import ProblemError
from market.clearing.limits import Limits
from market.clearing.result import Multipliers, Reason, Status, clearing_to_json
from scenarios.clear_command import EXIT_CODES
from takt_sdk.wall_clock import WallClock
from tests.property.clearing_cliques import random_cliques
from tests.property.clearing_markets import random_market

Json = Any
"""A parsed document; its shape is what the tests are about."""

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "clearing.md").read_text()
PROBLEM_SCHEMA = json.loads((DOCS / "clearing" / "problem.schema.json").read_text())
RESULT_SCHEMA = json.loads((DOCS / "clearing" / "result.schema.json").read_text())
PROBLEM = jsonschema.Draft202012Validator(PROBLEM_SCHEMA)
RESULT = jsonschema.Draft202012Validator(RESULT_SCHEMA)
EXAMPLE = DOCS / "clearing" / "example.json"
EXAMPLE_RESULT = DOCS / "clearing" / "example.result.json"
PROGRAM = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)[0]
WORK = 100_000


def example() -> Json:
    return json.loads(EXAMPLE.read_text())


def cleared(document: Json) -> Json:
    problem = problem_from_document(document)
    return json.loads(
        clearing_to_json(clear(problem, solver=PulpSolver(), limits=Limits(work=WORK), clock=WallClock()))
    )


def test_the_schemas_are_schemas() -> None:
    for schema in (PROBLEM_SCHEMA, RESULT_SCHEMA):
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_published_result_is_the_examples() -> None:
    found = cleared(example())
    found["seconds"] = dict.fromkeys(found["seconds"], 0.0)
    text = json.dumps(found, indent=1, sort_keys=True) + "\n"
    if "TAKT_REGENERATE" in os.environ:
        EXAMPLE_RESULT.write_text(text)
    assert text == EXAMPLE_RESULT.read_text()
    assert found["status"] == "optimal"
    assert {row["reason"] for row in found["unserved"]} == {"capacity", "no_bid"}
    assert found["objective"] > found["greedy_objective"]


def test_what_is_published_validates() -> None:
    PROBLEM.validate(example())
    RESULT.validate(json.loads(EXAMPLE_RESULT.read_text()))


def test_every_market_and_every_result_validates() -> None:
    statuses = set()
    for seed in range(120):
        market = random_market(seed)
        PROBLEM.validate(market)
        PROBLEM.validate(json.loads(problem_to_json(problem_from_document(market))))
        result = cleared(market)
        RESULT.validate(result)
        assert json.loads(clearing_to_json(clearing_from_json(json.dumps(result)))) == result
        statuses.add(result["status"])
    assert statuses == {"optimal", "infeasible"}


def test_results_without_an_answer_validate() -> None:
    result = json.loads(EXAMPLE_RESULT.read_text())
    empty: Json = {
        key: [] if isinstance(value, list) else None if isinstance(value, dict) else value
        for key, value in result.items()
    }
    empty |= {"status": "unknown", "objective": None, "bound": None, "bound_kind": None, "gap_ppm": None}
    empty |= {"seconds": result["seconds"], "payments": None, "charges": None, "checked": False}
    RESULT.validate(empty)
    for wrong in ({"objective": 1}, {"accepted": result["accepted"]}, {"gap_ppm": 1}, {"status": "ok"}):
        assert not RESULT.is_valid(empty | wrong)
    assert not RESULT.is_valid(result | {"checked": False})


def places(value: Json, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value inside a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield (*path, key)
        yield from places(child, (*path, key))


def changed(document: Json, path: tuple[str | int, ...], value: Json) -> Json:
    """Return the document with another value at a path; ``...`` removes it."""
    document = copy.deepcopy(document)
    holder = document
    for key in path[:-1]:
        holder = holder[key]
    if value is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = value
    return document


def read(document: Json) -> str | None:
    """Return what the reader says against a document, None if nothing."""
    try:
        problem_from_document(document)
    except ProblemError as error:
        return str(error)
    return None


# Ids that name nothing, totals, bidders of a group: rules between places, which a schema cannot say.
BETWEEN = re.compile(
    r"unknown \"|used twice|stands twice|stands in it twice|holds bids of another|must be 1 to|"
    r"could reach 2\^63|must join lots|must differ|must not be null|must not be before"
)
VALUES: tuple[Json, ...] = (
    ..., None, True, 0, -1, 1.5, 2**53, "", "x" * 129, "mars", [], {}, [None], {"id": "x"}, "vcg",
)  # fmt: skip


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    market, tried, refused = example(), 0, 0
    for path in places(market):
        for value in VALUES:
            document = changed(market, path, value)
            said, valid = read(document), PROBLEM.is_valid(document)
            tried += 1
            refused += said is not None
            if said is None:
                assert valid, (path, value)
            elif valid:
                assert BETWEEN.search(said), (path, value, said)
    assert refused > 1000, (tried, refused)


@pytest.mark.parametrize("where", [(), ("orders", 0), ("bids", 0, "uses", 0), ("transport", 0)])
def test_unknown_fields_are_refused_by_both(where: tuple[str | int, ...]) -> None:
    document = changed(example(), (*where, "colour"), "red")
    assert "colour: unknown field" in str(read(document))
    assert not PROBLEM.is_valid(document)


def test_both_refuse_a_partial_order_that_must_be_served() -> None:
    document = changed(example(), ("orders", 2, "must_serve"), True)
    assert not PROBLEM.is_valid(document)
    assert read(document) == "orders[2].partial: a must_serve order cannot be partial (was true)"


def program(problem: Path, result: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(problem), str(result)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return int(done.stdout)


def test_the_program_of_the_page_recomputes_the_bound() -> None:
    assert f"it prints {program(EXAMPLE, EXAMPLE_RESULT)}," in PAGE
    assert f"the solver proved {json.loads(EXAMPLE_RESULT.read_text())['bound']}" in PAGE


@pytest.mark.parametrize("block", range(4))
def test_the_program_and_the_checker_agree_on_any_multipliers(tmp_path: Path, block: int) -> None:
    """The page's program is a third writing of the bound, from the documents alone."""
    for seed in range(block * 8, block * 8 + 8):
        market, r = random_market(seed), random.Random(seed)
        problem = problem_from_document(market)
        chance = Multipliers(
            resources=tuple((i, r.randint(0, 10**7)) for i in problem.resource_ids),
            lots=tuple((i, r.randint(-(10**6), 3 * 10**7)) for i in problem.lot_ids),
            groups=tuple((i, r.randint(0, 10**7)) for i in problem.group_ids),
            openings=tuple((g, b["id"], r.randint(0, 10**7)) for b in market["bids"] for g in b["groups"]),
            uses=tuple(
                (b["id"], use["resource"], r.randint(0, 5 * 10**7))
                for b in market["bids"]
                for use in b["uses"]
                if seed % 2 and r.random() < 0.5
            ),
            arcs=tuple((e, b, r.randint(-(10**7), 10**7)) for e in problem.arc_ids for b in problem.bid_ids),
            cliques=random_cliques(market, r, count=3, price=2 * 10**7),
        )
        clearing = clear(problem, solver=PulpSolver(), limits=Limits(work=WORK), clock=WallClock())
        files = tmp_path / "problem.json", tmp_path / "result.json"
        files[0].write_text(json.dumps(market))
        files[1].write_bytes(clearing_to_json(replace(clearing, multipliers=chance)))
        assert program(*files) == certified_bound(problem, chance), seed


@pytest.mark.parametrize(
    "words",
    [
        sorted(EXIT_CODES),
        [status.value for status in Status],
        list(get_args(Reason)),
        list(PROBLEM_SCHEMA["properties"]),
        list(PROBLEM_SCHEMA["$defs"]["order"]["properties"]),
        list(PROBLEM_SCHEMA["$defs"]["bid"]["properties"]),
        [name for name in RESULT_SCHEMA["properties"] if name != "kind"],
    ],
)
def test_the_page_names_every_field_and_word(words: list[str]) -> None:
    for word in words:
        assert f"`{word}`" in PAGE, word


def test_the_codes_words_are_the_schemas() -> None:
    assert set(RESULT_SCHEMA["properties"]["status"]["enum"]) == {status.value for status in Status}
    reasons = RESULT_SCHEMA["properties"]["unserved"]["items"]["properties"]["reason"]["enum"]
    assert set(reasons) == set(get_args(Reason))
    for code, words in re.findall(r"^\| (\d) \|(.*)", PAGE, flags=re.MULTILINE):
        for status, given in EXIT_CODES.items():
            assert (f"`{status}`" in words) == (str(given) == code), status
