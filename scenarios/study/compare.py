"""What a study's table says: a mean per group and metric, and paired differences from a baseline.

A group is a mechanism under one point of the settings. Ratios to the optimum are intervals where it is not
proven: the welfare of a run over the bound, and over the best that is known, which is the central plan or
what a mechanism reached on the same draws.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scenarios.study.metrics import METRICS
from scenarios.study.statistics import Difference, Estimate, adjusted, difference, estimate

CLAIRVOYANT = "clairvoyant"
RATIO_LOW = "optimum_share_low"
RATIO_HIGH = "optimum_share_high"
RATIOS = {
    RATIO_LOW: "welfare / bound of the central plan",
    RATIO_HIGH: "welfare / best known: the central plan, or what a mechanism reached if that is more",
}
"""Per cent; the truth lies between the two."""


@dataclass(frozen=True, slots=True)
class Group:
    """A mechanism under a point of the settings, whose label it bears."""

    mechanism: str
    settings: str
    label: str = ""

    @property
    def name(self) -> str:
        """The mechanism, with what is set where something varies."""
        return f"{self.mechanism} ({self.label})" if self.label else self.mechanism


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader of a group's figures must know: so many of its cells or takts are not what they seem.

    Of every group where none is named.
    """

    group: Group | None
    what: str
    unit: str
    count: int
    of: int
    why: str

    @property
    def whose(self) -> str:
        """Return the name of its group."""
        return "every group" if self.group is None else self.group.name

    @property
    def text(self) -> str:
        """Return it as a sentence."""
        return f"{self.whose}: {self.count} of {self.of} {self.unit} {self.what}{self.why}"


@dataclass(frozen=True, slots=True)
class Findings:
    """Means by (group, metric), and differences of every group from the baseline."""

    groups: tuple[Group, ...]
    metrics: tuple[str, ...]
    means: Mapping[tuple[Group, str], Estimate]
    baseline: Group
    differences: tuple[Difference, ...]
    notes: tuple[Note, ...]
    """Cells without figures, takts without payments, seeds that are one draw."""


Values = dict[Group, dict[str, dict[int, float]]]
"""By group, metric and seed."""


def findings(
    rows: Iterable[Mapping[str, object]], *, baseline: str | None, metrics: Sequence[str]
) -> Findings:
    """Return what the rows of a table say; ``baseline`` names a mechanism or a group (default: the first).

    Raises
    ------
    ValueError
        If there are no rows, or no group of the baseline's name.
    """
    rows = list(rows)
    values = _by_group(rows)
    if not values:
        raise ValueError("the table holds no figures")
    _add_ratios(values)
    unpaid = _unpaid(values)
    same = _same_draws(values)
    groups = tuple(values)
    base = (
        groups[0]
        if baseline is None
        else next((g for g in groups if baseline in {g.name, g.mechanism}), None)
    )
    if base is None:
        raise ValueError(f"baseline must be one of {', '.join(g.name for g in groups)}, was {baseline!r}")
    wanted = tuple(metrics) or tuple(
        name for name in (*METRICS, *RATIOS) if any(values[g].get(name) for g in groups)
    )
    means = {
        (group, name): estimate(list(found.values()), f"{group.name} {name}")
        for group in groups
        for name in wanted
        if (found := values[group].get(name))
    }
    differences = [
        difference(name, group.name, base.name, pairs)
        for group in groups
        if group != base
        for name in wanted
        if (pairs := _pairs(values[group].get(name, {}), values[base].get(name, {})))
    ]
    return Findings(
        groups=groups,
        metrics=wanted,
        means=means,
        baseline=base,
        differences=tuple(adjusted(differences)),
        notes=(*same, *_failures(rows), *unpaid),
    )


def _group(row: Mapping[str, object]) -> Group:
    return Group(str(row["mechanism"]), str(row["settings"]), str(row.get("label") or ""))


def _failures(rows: Sequence[Mapping[str, object]]) -> list[Note]:
    """Return a note per group of which cells have no figures, with the reason of most of them."""
    cells = Counter(_group(row) for row in rows)
    reasons: dict[Group, Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row["error"]:
            reasons[_group(row)][str(row["error"])] += 1
    notes = []
    for group, found in reasons.items():
        (reason, _), *_ = found.most_common(1)
        notes.append(Note(group, "have no figures", "cells", found.total(), cells[group], f": {reason}"))
    return notes


def _unpaid(values: Values) -> list[Note]:
    """Return a note per group of which takts awarded nothing for want of payments."""
    notes = []
    for group, found in values.items():
        unpaid, takts = (int(sum(found[name].values())) for name in ("unpaid_takts", "takts"))
        if unpaid:
            why = ", so they awarded nothing and served and welfare are low"
            notes.append(Note(group, "found no payments", "takts", unpaid, takts, why))
    return notes


DRAWN = ("served", "welfare", "value", "production_cost", "transport", "emissions")
"""What differs between two seeds of which anything was drawn."""


def _same_draws(values: Values) -> list[Note]:
    """Reduce seeds that came to the same in every group to the first, and say so.

    An orders file, tables and fixed figures leave nothing to draw but ties. Such runs are one run: as many
    of them as one likes would make any difference certain.
    """
    seeds = sorted({seed for found in values.values() for by_seed in found.values() for seed in by_seed})
    if len(seeds) == 1 or any(
        len(set(found[name].values())) > 1 for found in values.values() for name in DRAWN
    ):
        return []
    for found in values.values():
        for name, by_seed in found.items():
            found[name] = {seed: by_seed[seed] for seed in sorted(by_seed)[:1]}
    why = ": nothing was drawn but ties, and there is one draw, without interval or p"
    return [Note(None, "came to the same", "seeds", len(seeds), len(seeds), why)]


def _by_group(rows: Iterable[Mapping[str, object]]) -> Values:
    values: Values = {}
    for row in rows:
        if row["error"]:
            continue
        found = values.setdefault(_group(row), defaultdict(dict))
        for name in (*METRICS, "welfare_bound"):
            value = row.get(name)
            if isinstance(value, int | float):
                found[name][int(str(row["seed"]))] = float(value)
    return values


def _add_ratios(values: Values) -> None:
    """Add every group's share of the optimum of the same seed and settings."""
    plans = {group.settings: found for group, found in values.items() if group.mechanism == CLAIRVOYANT}
    best: dict[tuple[str, int], float] = {}
    for group, found in values.items():
        for seed, welfare in found["welfare"].items():
            best[group.settings, seed] = max(welfare, best.get((group.settings, seed), welfare))
    for group, found in values.items():
        plan = plans.get(group.settings)
        if plan is None:
            continue
        for seed, welfare in found["welfare"].items():
            known = best[group.settings, seed] if seed in plan["welfare"] else 0.0
            for name, against in ((RATIO_LOW, plan["welfare_bound"].get(seed, 0.0)), (RATIO_HIGH, known)):
                if against > 0:
                    found[name][seed] = 100.0 * welfare / against


def _pairs(one: Mapping[int, float], other: Mapping[int, float]) -> list[tuple[float, float]]:
    return [(one[seed], other[seed]) for seed in sorted(one.keys() & other.keys())]
