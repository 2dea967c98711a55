"""What the operator, the clock and the solver ask of the market, each kind versioned.

Participants' messages are in `takt_sdk.model.messages`. A message is a value: it holds no behaviour
beyond refusing invalid content; a new field is a new version.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from market.model.contract_commands import ContractOperatorCommand, NoteSilence
from market.model.network import Network
from market.model.rules import Rules
from takt_sdk.model.capability import Qualification
from takt_sdk.model.errors import EmptyError, InvalidChoiceError
from takt_sdk.model.keys import check_key
from takt_sdk.model.messages import ROLES, DeclineCall, ParticipantCommand, Role, Tick, WireBody
from takt_sdk.model.sheet import BidSheet
from takt_sdk.model.values import (
    check_choice,
    check_id,
    check_ids,
    check_int,
    check_participant_id,
    check_sha256,
    check_text,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMarket:
    """Open a market: the first entry of its journal.

    ``seed`` fixes lotteries in a scenario run; None in a live market, where each call commits to
    a secret. ``id_salt`` keys the ids of orders, so that nobody who meets one can guess whose it is.
    ``market_key`` is the public nkey that signs tree heads; empty where nobody signs them.
    """

    kind: Literal["takt.open_market.v1"] = "takt.open_market.v1"
    market: str
    rules: Rules
    network: Network = Network()
    seed: int | None = None
    id_salt: str = ""
    market_key: str = ""

    def __post_init__(self) -> None:
        check_participant_id("market", self.market)
        check_text("id_salt", self.id_salt)
        if self.market_key:
            check_key("market_key", self.market_key)
        if self.seed is not None:
            check_int("seed", self.seed, 0, 2**53 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRules:
    """Set new rules; ``rules.version`` must be one more than the current."""

    kind: Literal["takt.change_rules.v1"] = "takt.change_rules.v1"
    rules: Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishNetwork:
    """Replace the logistics network."""

    kind: Literal["takt.publish_network.v1"] = "takt.publish_network.v1"
    network: Network


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmitParticipant:
    """Admit a company, or replace what is known of it.

    Replacing keeps a suspension, and each key where none is given; it takes a revoked company in again.
    ``api_key_sha256`` is the hash of a customer's HTTP key (32 random bytes), never the key.
    ``agent`` says whether an agent reads its mailbox; without one, notices are only shown over HTTP.
    ``signing_key`` is the public nkey whose signatures are the company's from this log position on.
    """

    kind: Literal["takt.admit_participant.v1"] = "takt.admit_participant.v1"
    participant: str
    roles: tuple[Role, ...]
    sites: tuple[str, ...] = ()
    qualification: Qualification = Qualification()
    api_key_sha256: str | None = None
    agent: bool = True
    signing_key: str = ""

    def __post_init__(self) -> None:
        check_participant_id("participant", self.participant)
        if not self.roles:
            raise EmptyError("roles", self.roles)
        for index, role in enumerate(self.roles):
            check_choice(f"roles[{index}]", role, ROLES)
        check_ids("roles", self.roles)
        if "auditor" in self.roles and len(self.roles) > 1:
            raise InvalidChoiceError("roles", self.roles, "an auditor reads everything and trades nothing")
        check_ids("sites", self.sites)
        if self.api_key_sha256 is not None:
            check_sha256("api_key_sha256", self.api_key_sha256)
        if self.signing_key:
            check_key("signing_key", self.signing_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendParticipant:
    """Stop a participant from bidding and ordering; its contracts go on."""

    kind: Literal["takt.suspend_participant.v1"] = "takt.suspend_participant.v1"
    participant: str
    reason: str = ""

    def __post_init__(self) -> None:
        check_participant_id("participant", self.participant)
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReinstateParticipant:
    """Let a suspended participant bid and order again."""

    kind: Literal["takt.reinstate_participant.v1"] = "takt.reinstate_participant.v1"
    participant: str

    def __post_init__(self) -> None:
        check_participant_id("participant", self.participant)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishMarketKey:
    """Let another key of the market's sign tree heads, from the head over this command on."""

    kind: Literal["takt.publish_market_key.v1"] = "takt.publish_market_key.v1"
    market_key: str

    def __post_init__(self) -> None:
        check_key("market_key", self.market_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKey:
    """Let another key sign from this log position on; what the old one signed stays valid."""

    kind: Literal["takt.rotate_key.v1"] = "takt.rotate_key.v1"
    participant: str
    signing_key: str

    def __post_init__(self) -> None:
        check_participant_id("participant", self.participant)
        check_key("signing_key", self.signing_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeParticipant:
    """End a participant's part in the market: its keys end here, work that has not begun is called again.

    Only a new admission, with a new key, takes it in again.
    """

    kind: Literal["takt.revoke_participant.v1"] = "takt.revoke_participant.v1"
    participant: str
    reason: str = ""

    def __post_init__(self) -> None:
        check_participant_id("participant", self.participant)
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportClearing:
    """The solver's decision on a closed round, with the whole result file as the record.

    ``result`` is the canonical JSON of a ``takt.clearing.v1`` document. It is checked again before
    anything is awarded; replay checks it and never solves. ``secret`` (hex) opens the round's
    commitment, ``seed`` is the lottery's, from the secret and the close entry's hash.
    """

    kind: Literal["takt.report_clearing.v1"] = "takt.report_clearing.v1"
    round_id: str
    secret: str
    seed: int
    result: str

    def __post_init__(self) -> None:
        check_id("round_id", self.round_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSeal:
    """What a participant's last sealed answer holds; None where it holds none, with what is wrong."""

    participant: str
    sequence: int
    answer: BidSheet | DeclineCall | None
    code: str = ""
    detail: str = ""
    field: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSeals:
    """The answers to a sealed round after its close, with the private key (hex) that opens them.

    Anybody who holds the log can open the ciphertexts with it and must find these answers.
    """

    kind: Literal["takt.open_seals.v1"] = "takt.open_seals.v1"
    round_id: str
    private_key: str
    answers: tuple[OpenedSeal, ...]

    def __post_init__(self) -> None:
        check_id("round_id", self.round_id)
        check_sha256("private_key", self.private_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidRound:
    """Give a closed round up: nobody wins, its orders are called again or end unserved."""

    kind: Literal["takt.void_round.v1"] = "takt.void_round.v1"
    round_id: str
    reason: str

    def __post_init__(self) -> None:
        check_id("round_id", self.round_id)
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseMarket:
    """Open no further round. Orders are taken and wait; a round that is open goes on; contracts go on."""

    kind: Literal["takt.pause_market.v1"] = "takt.pause_market.v1"
    reason: str

    def __post_init__(self) -> None:
        check_text("reason", self.reason)
        if not self.reason:
            raise EmptyError("reason", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeMarket:
    """Open rounds again."""

    kind: Literal["takt.resume_market.v1"] = "takt.resume_market.v1"
    reason: str = ""

    def __post_init__(self) -> None:
        check_text("reason", self.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidClearing:
    """Take a round back that is being cleared, or whose contracts are all unconfirmed.

    Its orders are called again, and the round does not count against their good-for.
    """

    kind: Literal["takt.void_clearing.v1"] = "takt.void_clearing.v1"
    round_id: str
    reason: str

    def __post_init__(self) -> None:
        check_id("round_id", self.round_id)
        check_text("reason", self.reason)
        if not self.reason:
            raise EmptyError("reason", self.reason)


OperatorCommand = (
    OpenMarket
    | PauseMarket
    | ResumeMarket
    | VoidClearing
    | ChangeRules
    | PublishNetwork
    | AdmitParticipant
    | SuspendParticipant
    | ReinstateParticipant
    | PublishMarketKey
    | RotateKey
    | RevokeParticipant
    | ContractOperatorCommand
)


HostCommand = Tick | ReportClearing | OpenSeals | VoidRound | NoteSilence


Command = OperatorCommand | HostCommand | ParticipantCommand


Body = Command | WireBody
