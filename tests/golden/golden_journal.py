"""The golden journal of this release: the smoke scenario with fixed salts, as lines of JSON.

``python -m tests.golden.golden_journal`` writes it anew: only when a release changes what is journaled,
never to make a test pass. Journals of earlier releases stay and must fold for ever.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market.adapters.codec import state_digest
from market.adapters.journal_memory import MemoryJournal
from market.adapters.manual_clock import ManualClock
from market.engine.engine import ENGINE_VERSION
from market.engine.state import State
from market.ports import Entry, Stored, TreeHead
from scenarios.outcome import outcome_digest
from scenarios.population import build
from scenarios.scenario import load_scenario
from scenarios.simulator import SeededEntropy, Simulation

FOLDER = Path(__file__).parent
SMOKE = FOLDER.parents[1] / "scenarios" / "library" / "smoke"
FIELDS = ("now_us", "source", "message", "events", "engine_version", "rules_version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """What a golden journal must recompute to."""

    outcome_digest: str
    state_digest: str
    root: str


class GoldenJournal(MemoryJournal):
    """The journal of a file, to be read."""

    def __init__(self, path: Path) -> None:
        super().__init__(entropy=SeededEntropy(0))
        lines = path.read_text(encoding="utf-8").splitlines()
        self.golden = Golden(**json.loads(lines[0]))
        self._entries = [_stored(position, json.loads(line)) for position, line in enumerate(lines[1:])]

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Stored]:
        """Yield the entries of the file."""
        return iter(self._entries[start:stop])

    def head(self) -> TreeHead:
        """Return the head that the file states."""
        return TreeHead(size=len(self._entries), root=bytes.fromhex(self.golden.root))


def _stored(position: int, row: dict[str, Any]) -> Stored:
    fields = {name: row[name] for name in FIELDS} | {
        name: row[name].encode() for name in ("message", "events")
    }
    fields |= {"key": row.get("key", ""), "signature": b64decode(row.get("signature", ""))}
    return Stored(
        position=position, entry=Entry(**fields), salt=b64decode(row["salt"]), leaf=bytes.fromhex(row["leaf"])
    )


def _row(stored: Stored) -> dict[str, Any]:
    entry = stored.entry
    return {
        "now_us": entry.now_us,
        "source": entry.source,
        "message": entry.message.decode(),
        "events": entry.events.decode(),
        "engine_version": entry.engine_version,
        "rules_version": entry.rules_version,
        "salt": b64encode(stored.salt).decode(),
        "leaf": stored.leaf.hex(),
    } | ({"key": entry.key, "signature": b64encode(entry.signature).decode()} if entry.key else {})


def run_smoke() -> tuple[State, MemoryJournal]:
    """Return the final state and the journal of the smoke scenario in memory."""
    population = build(load_scenario(SMOKE))
    simulation = Simulation(population, stopwatch=ManualClock(population.start_us))
    simulation.run()
    return simulation.kernel.state, simulation.journal


def write(path: Path) -> None:
    """Write the golden journal of this release."""
    state, journal = run_smoke()
    golden = {
        "outcome_digest": outcome_digest(state),
        "state_digest": state_digest(state),
        "root": journal.head().root.hex(),
    }
    lines = [golden, *(_row(stored) for stored in journal.read())]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER / f"smoke-engine-{ENGINE_VERSION}.jsonl")
