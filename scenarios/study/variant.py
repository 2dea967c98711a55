"""Variants of a scenario: the same draws with some settings changed, named by path.

``rules.fee_ppm``, ``plants[1].pricing.margin_ppm``, ``strategies``, ``plants[*].count``: whatever the
scenario's schema holds. A changed scenario is validated as if it had been written so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence
from typing import cast

from scenarios.errors import ScenarioFileError
from scenarios.scenario import Case, parse_document

Setting = str | int | float | bool | list[object] | dict[str, object] | None
_STEP = re.compile(r"\.?(?P<key>[A-Za-z0-9_-]+)|\[(?P<index>\d+|\*)\]")


def with_settings(case: Case, settings: Mapping[str, Setting]) -> Case:
    """Return the case with every setting put in, in the order given.

    Raises
    ------
    ScenarioFileError
        If a path leads nowhere, or the changed scenario breaks the schema.
    """
    if not settings:
        return case
    document = json.loads(case.scenario.model_dump_json())
    for path, value in settings.items():
        places = list(_places(document, _steps(case, path)))
        if not places:
            raise ScenarioFileError(case.source, path, value, "leads nowhere")
        for holder, key in places:
            holder[key] = value  # type: ignore[index]
    scenario = parse_document(document, source=case.source)
    orders = case.orders if scenario.orders is not None else None
    return case.model_copy(update={"scenario": scenario, "orders": orders, "text": ""})


def _steps(case: Case, path: str) -> list[str | int]:
    steps: list[str | int] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ScenarioFileError(case.source, path, path[position:], "is no path of a scenario")
        key, index = match["key"], match["index"]
        steps.append(key if key is not None else index if index == "*" else int(index))
        position = match.end()
    if not steps:
        raise ScenarioFileError(case.source, path, path, "is no path of a scenario")
    return steps


Holder = MutableMapping[str, object] | MutableSequence[object]


def _places(node: object, steps: list[str | int]) -> Iterator[tuple[Holder, str | int]]:
    """Yield the containers and keys that a path ends in."""
    step, *rest = steps
    keys: list[str | int]
    if isinstance(node, list):
        keys = list(range(len(node))) if step == "*" else [step]
        keys = [key for key in keys if isinstance(key, int) and key < len(node)]
    elif isinstance(node, dict):
        keys = [step] if step in node else []
    else:
        return
    for key in keys:
        if rest:
            yield from _places(node[key], rest)  # type: ignore[index]
        else:
            yield cast("Holder", node), key
