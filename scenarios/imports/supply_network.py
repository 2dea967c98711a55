"""Supply networks from CSV: requirements exploded, longest lead times, and what the network hangs on.

``stages.csv``: ``stage``, ``time`` (of its own work, in any one unit of time), optional ``cost`` (added per
unit) and ``demand`` (units asked for from outside). ``arcs.csv``: ``source``, ``target``, optional
``quantity`` (units of source in one of target, 1 if left out). The network is acyclic.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import networkx as nx

from scenarios.imports.csv_table import CsvTableError, read_table

MAX_QUANTITY = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage of a network, with what follows from its place in it.

    Attributes
    ----------
    echelon
        Most arcs between it and a stage that nothing flows out of.
    requirement
        Units that all demand takes, its own included.
    lead_time
        Longest time from the first supplier until this stage is done.
    slack
        How much longer it may take before the longest lead time of any product grows; 0 is critical.
    unit_cost
        Cost added by it and everything that flows into one unit of it.
    demand_at_risk
        Units of demand that cannot be made without it.
    sole_source
        Whether some stage has it as its only input.
    """

    name: str
    time: int
    cost: int
    demand: int
    echelon: int
    requirement: int
    lead_time: int
    slack: int
    unit_cost: int
    demand_at_risk: int
    sole_source: bool


def read_network(stages: Path, arcs: Path) -> nx.DiGraph[str]:
    """Return the network of two tables.

    Raises
    ------
    CsvTableError
        If a value is wrong, a stage or arc stands twice, an arc names no stage, or goods flow in a circle.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    columns = frozenset({"cost", "demand"})
    for line in read_table(stages, frozenset({"stage", "time"}), columns):
        name = line.text("stage")
        if name in graph:
            raise line.wrong("stage", name, "is given twice")
        graph.add_node(
            name,
            time=line.whole("time", 0, MAX_QUANTITY),
            cost=line.whole("cost", 0, default=0),
            demand=line.whole("demand", 0, MAX_QUANTITY, default=0),
        )
    for line in read_table(arcs, frozenset({"source", "target"}), frozenset({"quantity"})):
        ends = line.text("source"), line.text("target")
        for column, name in zip(("source", "target"), ends, strict=True):
            if name not in graph:
                raise line.wrong(column, name, "is no stage")
        if graph.has_edge(*ends):
            raise line.wrong("target", f"{ends[0]} -> {ends[1]}", "is given twice")
        graph.add_edge(*ends, quantity=line.whole("quantity", 1, MAX_QUANTITY, default=1))
    if not nx.is_directed_acyclic_graph(graph):
        circle = " -> ".join(source for source, _ in nx.find_cycle(graph))
        raise CsvTableError(arcs.name, 1, "source, target", circle, "goods flow in a circle")
    return graph


def analyse(graph: nx.DiGraph[str]) -> tuple[Stage, ...]:
    """Return every stage with what follows from the network, in the order of the table.

    Time and memory grow with the arcs, but for ``demand_at_risk``: one search per stage with an output.
    """
    order = list(nx.topological_sort(graph))
    done = _longest(graph, order)
    requirement, echelon, latest = _upstream(graph, order, done)
    unit_cost: dict[str, int] = {}
    for name in order:
        inputs: list[tuple[str, str, int]] = list(graph.in_edges(name, data="quantity"))
        unit_cost[name] = graph.nodes[name]["cost"] + sum(unit_cost[source] * q for source, _, q in inputs)
    at_risk = _demand_at_risk(graph, order)
    sole = {next(iter(graph.predecessors(name))) for name in order if graph.in_degree(name) == 1}
    return tuple(
        Stage(
            name=name,
            time=graph.nodes[name]["time"],
            cost=graph.nodes[name]["cost"],
            demand=graph.nodes[name]["demand"],
            echelon=echelon[name],
            requirement=requirement[name],
            lead_time=done[name],
            slack=latest[name] - done[name],
            unit_cost=unit_cost[name],
            demand_at_risk=at_risk[name],
            sole_source=name in sole,
        )
        for name in graph
    )


def _longest(graph: nx.DiGraph[str], order: Iterable[str]) -> dict[str, int]:
    """Return the longest lead time of each stage."""
    done: dict[str, int] = {}
    for name in order:
        done[name] = graph.nodes[name]["time"] + max((done[s] for s in graph.predecessors(name)), default=0)
    return done


def _upstream(
    graph: nx.DiGraph[str], order: list[str], done: dict[str, int]
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Return requirement, echelon and latest end of each stage, from the products back."""
    end = max(done.values(), default=0)
    requirement: dict[str, int] = {}
    echelon: dict[str, int] = {}
    latest: dict[str, int] = {}
    for name in reversed(order):
        outputs: list[tuple[str, str, int]] = list(graph.out_edges(name, data="quantity"))
        needed = sum(requirement[target] * quantity for _, target, quantity in outputs)
        requirement[name] = graph.nodes[name]["demand"] + needed
        echelon[name] = 1 + max((echelon[target] for _, target, _ in outputs), default=-1)
        latest[name] = min((latest[t] - graph.nodes[t]["time"] for _, t, _ in outputs), default=end)
    return requirement, echelon, latest


def _demand_at_risk(graph: nx.DiGraph[str], order: list[str]) -> dict[str, int]:
    """Return the demand downstream of each stage: every input is needed, so it stops with the stage."""
    wanted = [name for name in order if graph.nodes[name]["demand"]]
    bit = {name: 1 << k for k, name in enumerate(wanted)}
    demand = [graph.nodes[name]["demand"] for name in wanted]
    reached: dict[str, int] = {}
    at_risk: dict[str, int] = {}
    for name in reversed(order):
        bits = bit.get(name, 0)
        for target in graph.successors(name):
            bits |= reached[target]
        reached[name] = bits
        total = 0
        while bits:
            low = bits & -bits
            total += demand[low.bit_length() - 1]
            bits ^= low
        at_risk[name] = total
    return at_risk
