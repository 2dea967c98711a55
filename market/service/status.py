"""What a status says of the state and the counters. Counts and times only; decides nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from market.desk import Presence
from market.engine.resilience import resilience
from market.engine.state import State
from market.service.intake import Intake
from market.service.writer import COMMIT_BOUNDS_S, Counters


def of_state(state: State, last_heard_us: Mapping[str, int]) -> dict[str, Any]:
    """Return the fields of a `market.desk.Status` that the state tells."""
    round_ = state.round
    return {
        "entries": state.size,
        "round_state": "" if round_ is None else round_.state,
        "round_deadline_us": None if round_ is None else round_.deadline_us,
        "orders": _by_state(record.state for record in state.orders.values()),
        "contracts": _by_state(record.state for record in state.contracts.values()),
        "rounds": _by_state(record.state for record in state.rounds.values()),
        "resilience": tuple(
            (name, amount) for name, amount in asdict(resilience(state)).items() if name != "extra_minor"
        ),
        "participants": tuple(
            Presence(
                participant=name,
                suspended=record.suspended,
                agent=record.admission.agent,
                last_heard_us=last_heard_us.get(name),
            )
            for name, record in sorted(state.participants.items())
        ),
    }


def counted(counters: Counters, intake: Intake, snapshot_failures: int) -> dict[str, Any]:
    """Return the fields that count what was done since the start."""
    counts = {
        "commits": counters.commits,
        "failed_commits": counters.failed_commits,
        "entries": counters.entries,
        "entry_bytes": counters.bytes,
        "refused": counters.refused,
        "repeated": counters.repeated,
        "broken": counters.broken,
        "dropped_unread": intake.dropped,
        "snapshot_failures": snapshot_failures,
    } | {f"refused_unread_{reason}": intake.refused[reason] for reason in ("rate", "in_flight", "too_large")}
    return {
        "counts": tuple(counts.items()),
        "messages": tuple(sorted(counters.messages.items())),
        "commit_s": tuple((bound_s, counters.commits_by_s[bound_s]) for bound_s in COMMIT_BOUNDS_S),
        "commit_total_s": counters.commit_s,
    }


def _by_state(states: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(states).items()))
