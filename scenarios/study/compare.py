"""What a study's table says: a mean per group and metric, and paired differences from a baseline.

A group is a mechanism under one point of the settings. Ratios to the clairvoyant plan are intervals where its
optimum is not proven: the welfare of a run over the bound, and over the best plan known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scenarios.study.metrics import METRICS
from scenarios.study.statistics import Difference, Estimate, adjusted, difference, estimate

CLAIRVOYANT = "clairvoyant"
RATIO_LOW = "optimum_share_low"
RATIO_HIGH = "optimum_share_high"
RATIOS = {
    RATIO_LOW: "welfare / bound of the central plan",
    RATIO_HIGH: "welfare / best central plan known",
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
class Findings:
    """Means by (group, metric), and differences of every group from the baseline."""

    groups: tuple[Group, ...]
    metrics: tuple[str, ...]
    means: Mapping[tuple[Group, str], Estimate]
    baseline: Group
    differences: tuple[Difference, ...]
    failed: int
    """Cells without figures."""


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
    values, failed = _by_group(rows)
    if not values:
        raise ValueError("the table holds no figures")
    _add_ratios(values)
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
        failed=failed,
    )


def _by_group(rows: Iterable[Mapping[str, object]]) -> tuple[Values, int]:
    values: Values = {}
    failed = 0
    for row in rows:
        if row["error"]:
            failed += 1
            continue
        found = values.setdefault(
            Group(str(row["mechanism"]), str(row["settings"]), str(row.get("label") or "")), defaultdict(dict)
        )
        for name in (*METRICS, "welfare_bound"):
            value = row.get(name)
            if isinstance(value, int | float):
                found[name][int(str(row["seed"]))] = float(value)
    return values, failed


def _add_ratios(values: Values) -> None:
    """Add every group's share of the central plan of the same seed and settings."""
    plans = {group.settings: found for group, found in values.items() if group.mechanism == CLAIRVOYANT}
    for group, found in values.items():
        plan = plans.get(group.settings)
        if plan is None:
            continue
        for name, against in ((RATIO_LOW, "welfare_bound"), (RATIO_HIGH, "welfare")):
            for seed, welfare in found["welfare"].items():
                best = plan[against].get(seed, 0.0)
                if best > 0:
                    found[name][seed] = 100.0 * welfare / best


def _pairs(one: Mapping[int, float], other: Mapping[int, float]) -> list[tuple[float, float]]:
    return [(one[seed], other[seed]) for seed in sorted(one.keys() & other.keys())]
