"""Where a running clearing stands, as its child process tells the guard. Holds no behaviour."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a clearing is; ``objective`` and ``bound`` None where unknown."""

    objective: int | None
    bound: float | None
    part: int
    parts: int

    def to_bytes(self) -> bytes:
        """Return it as it goes to the parent."""
        return json.dumps([self.objective, self.bound, self.part, self.parts]).encode()

    @staticmethod
    def from_bytes(body: bytes) -> Standing:
        """Return what `to_bytes` wrote."""
        objective, bound, part, parts = json.loads(body)
        return Standing(objective=objective, bound=bound, part=part, parts=parts)
