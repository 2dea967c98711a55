"""Who is silent: heartbeats against the rules' time. Decides nothing; the engine takes it as a message."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from market.engine.state import State
from market.model.contract_commands import NoteSilence


def silences(
    state: State, heard_us: Mapping[str, int], beating: AbstractSet[str], now_us: int, started_us: int = 0
) -> tuple[NoteSilence, ...]:
    """Return what the engine does not know yet of participants that hold contracts and run an agent.

    Who has sent a heartbeat since the market started (``beating``) can miss one. Whoever never sent any is
    held to its reports alone; by the rule `heartbeat_due` its silence counts from its first open award, or
    from ``started_us``, since the host hears.
    """
    rules = state.rules.contracts
    found = []
    for name, contracts in sorted(state.index.active_contracts.items()):
        if not contracts or name in state.contracting.silent:
            continue
        last_us = heard_us.get(name, now_us)
        if name not in beating:
            if not (rules.heartbeat_due and state.participants[name].admission.agent):
                continue
            awarded_us = min(state.contracts[id_].awarded_us for id_ in contracts)
            last_us = max(heard_us.get(name, 0), awarded_us, started_us)
        if now_us - last_us >= rules.heartbeat_us:
            found.append(NoteSilence(participant=name, last_heard_us=last_us))
    for name, since_us in sorted(state.contracting.silent.items()):
        last_us = heard_us.get(name, 0)
        if last_us > since_us and now_us - last_us < rules.heartbeat_us:
            found.append(NoteSilence(participant=name, last_heard_us=last_us, silent=False))
    return tuple(found)
