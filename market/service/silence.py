"""Who is silent: heartbeats against the rules' time. Decides nothing; the engine takes it as a message."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from market.engine.state import State
from market.model.contract_commands import NoteSilence


def silences(
    state: State, heard_us: Mapping[str, int], beating: AbstractSet[str], now_us: int
) -> tuple[NoteSilence, ...]:
    """Return what the engine does not know yet of participants that hold contracts and run an agent.

    Only who has sent a heartbeat since the market started (``beating``) can miss one; whoever sends none is
    held to its reports alone.
    """
    limit_us = state.rules.contracts.heartbeat_us
    found = []
    for name, contracts in sorted(state.index.active_contracts.items()):
        last_us = heard_us.get(name, now_us)
        gone = name in beating and now_us - last_us >= limit_us
        if gone and contracts and name not in state.contracting.silent:
            found.append(NoteSilence(participant=name, last_heard_us=last_us))
    for name, since_us in sorted(state.contracting.silent.items()):
        last_us = heard_us.get(name, 0)
        if last_us > since_us and now_us - last_us < limit_us:
            found.append(NoteSilence(participant=name, last_heard_us=last_us, silent=False))
    return tuple(found)
