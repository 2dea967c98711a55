"""Who is silent: heartbeats against the rules' time. Decides nothing; the engine takes it as a message."""

from __future__ import annotations

from collections.abc import Mapping

from market.engine.state import State
from market.model.contract_commands import NoteSilence


def silences(
    state: State, heard_us: Mapping[str, int], started_us: int, now_us: int
) -> tuple[NoteSilence, ...]:
    """Return what the engine does not know yet of participants that hold contracts and run an agent.

    Who was never heard of counts as heard when the market started, so that a restart silences nobody.
    """
    limit_us = state.rules.contracts.heartbeat_us
    found = []
    for name, contracts in sorted(state.index.active_contracts.items()):
        last_us = max(heard_us.get(name, 0), started_us)
        gone = now_us - last_us >= limit_us and state.participants[name].admission.agent
        if gone and contracts and name not in state.contracting.silent:
            found.append(NoteSilence(participant=name, last_heard_us=last_us))
    for name, since_us in sorted(state.contracting.silent.items()):
        last_us = heard_us.get(name, 0)
        if last_us > since_us and now_us - last_us < limit_us:
            found.append(NoteSilence(participant=name, last_heard_us=last_us, silent=False))
    return tuple(found)
