"""Operator's commands: opening, rules, network, participants. Decides; changes nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from market.engine.decision import Decision, accept, refuse, repeat
from market.engine.execution import lost_work
from market.engine.state import State
from market.model import events
from market.model.commands import (
    AdmitParticipant,
    ChangeRules,
    OpenMarket,
    PublishMarketKey,
    PublishNetwork,
    ReinstateParticipant,
    RevokeParticipant,
    RotateKey,
    SuspendParticipant,
)

OPERATOR = "operator"
"""Sender of the operator's commands; no participant may have this id."""

HOST = "host"
"""Sender of ticks and clearings: the process that hosts the engine."""

RESERVED_IDS = frozenset({OPERATOR, HOST})


def open_market(state: State, command: OpenMarket, now_us: int) -> Decision:
    """Open the market, once."""
    if state.market:
        return refuse("state", f"market {state.market} is open already", field="market", value=command.market)
    return accept(
        events.MarketOpened(
            market=command.market,
            rules=command.rules,
            network=command.network,
            seed=command.seed,
            id_salt=command.id_salt,
            at_us=now_us,
            market_key=command.market_key,
        ),
        subject_id=command.market,
    )


def change_rules(state: State, command: ChangeRules) -> Decision:
    """Set the next version of the rules; a round that is open keeps the ones it was called under."""
    expected = state.rules.version + 1
    if command.rules.version != expected:
        return refuse(
            "conflict", f"the next version is {expected}", field="rules.version", value=command.rules.version
        )
    if command.rules.currency != state.rules.currency:
        return refuse(
            "invalid", "a market keeps its currency", field="rules.currency", value=command.rules.currency
        )
    if state.round_id is not None:
        return refuse(
            "state", "rules change between rounds", state=state.rounds[state.round_id].state, retryable=True
        )
    return accept(events.RulesChanged(rules=command.rules), subject_id=str(expected))


def publish_network(state: State, command: PublishNetwork) -> Decision:
    """Replace the network; sites in use must stay. A round that is being cleared keeps the one it had."""
    known = {site.id for site in command.network.sites}
    for owner, site in _sites_in_use(state):
        if site not in known:
            return refuse("unknown", f"site of {owner}", field="network.sites", value=site)
    return accept(events.NetworkPublished(network=command.network))


def _sites_in_use(state: State) -> Iterator[tuple[str, str]]:
    """Yield (whose, site) of all sites that participants, open orders and their contracts stand on."""
    for participant in sorted(state.participants):
        for site in state.participants[participant].admission.sites:
            yield participant, site
    for order_id in sorted(state.index.open_orders):
        record = state.orders[order_id]
        yield order_id, record.order.terms.destination
        for contract_id in record.contracts:
            yield contract_id, state.contracts[contract_id].contract.site


def admit(state: State, command: AdmitParticipant) -> Decision:
    """Admit a participant or replace its admission."""
    if command.participant in RESERVED_IDS:
        return refuse(
            "invalid", "this id is the market's own", field="participant", value=command.participant
        )
    sites = {site.id for site in state.network.sites}
    for index, site in enumerate(command.sites):
        if site not in sites:
            return refuse("unknown", f"no such site; {_some(sites)}", field=f"sites[{index}]", value=site)
    if command.api_key_sha256 is not None:
        holder = state.index.key_holders.get(command.api_key_sha256, command.participant)
        if holder != command.participant:
            return refuse("conflict", "this key is another participant's", field="api_key_sha256")
    known = state.participants.get(command.participant)
    if known is not None and command.api_key_sha256 is None:
        command = replace(command, api_key_sha256=known.admission.api_key_sha256)
    if known is not None and not command.signing_key:
        command = replace(command, signing_key=known.key)
    if _is_used(state, command.participant, command.signing_key):
        return refuse("conflict", _USED, field="signing_key", value=command.signing_key)
    return accept(events.ParticipantAdmitted(admission=command), subject_id=command.participant)


def reinstate(state: State, command: ReinstateParticipant) -> Decision:
    """Lift a suspension."""
    record = state.participants.get(command.participant)
    if record is None or not record.suspended:
        return refuse(
            "state", "no such suspended participant", field="participant", value=command.participant
        )
    if record.revoked:
        return _is_revoked(command.participant)
    return accept(
        events.ParticipantReinstated(participant=command.participant), subject_id=command.participant
    )


def _some(names: set[str]) -> str:
    shown = sorted(names)[:30]
    return f"the network has {', '.join(shown)}{', ...' if len(names) > len(shown) else ''}"


def suspend(state: State, command: SuspendParticipant) -> Decision:
    """Suspend a participant; its contracts go on."""
    record = state.participants.get(command.participant)
    if record is None:
        return refuse("unknown", "no such participant", field="participant", value=command.participant)
    if record.revoked:
        return _is_revoked(command.participant)
    return accept(
        events.ParticipantSuspended(participant=command.participant, reason=command.reason),
        subject_id=command.participant,
    )


_USED = "a key signs for one participant and one term only; draw a new one"


def publish_market_key(state: State, command: PublishMarketKey) -> Decision:
    """Let another key sign tree heads; the present one again changes nothing."""
    if command.market_key == state.market_key:
        return refuse("conflict", "this key signs already", field="market_key", value=command.market_key)
    return accept(events.MarketKeyPublished(market_key=command.market_key), subject_id=state.market)


def rotate_key(state: State, command: RotateKey) -> Decision:
    """Let another key sign for a participant; repeating it changes nothing."""
    record = state.participants.get(command.participant)
    if record is None:
        return refuse("unknown", "no such participant", field="participant", value=command.participant)
    if record.revoked:
        return _is_revoked(command.participant)
    if command.signing_key == record.key:
        return repeat(record.keys[-1].from_position, command.participant)
    if _is_used(state, command.participant, command.signing_key):
        return refuse("conflict", _USED, field="signing_key", value=command.signing_key)
    return accept(
        events.KeyRotated(participant=command.participant, signing_key=command.signing_key),
        subject_id=command.participant,
    )


def revoke(state: State, command: RevokeParticipant, now_us: int) -> Decision:
    """End a participant's part; its contracts whose work has not begun turn at risk."""
    record = state.participants.get(command.participant)
    if record is None:
        return refuse("unknown", "no such participant", field="participant", value=command.participant)
    if record.revoked:
        return _is_revoked(command.participant)
    return accept(
        events.ParticipantRevoked(participant=command.participant, reason=command.reason),
        *lost_work(state, command.participant, "its company was revoked", now_us),
        subject_id=command.participant,
    )


def _is_used(state: State, participant: str, key: str) -> bool:
    """Return whether a key is somebody else's, or was this participant's in an earlier term."""
    record = state.participants.get(participant)
    return bool(key) and key in state.index.signing_keys and (record is None or record.key != key)


def _is_revoked(participant: str) -> Decision:
    return refuse(
        "state", "this participant was revoked", field="participant", value=participant, state="revoked"
    )
