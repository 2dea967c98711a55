"""Identities on NATS: the market's keys, and the credentials that it issues to participants.

NATS decentralised JWT authentication: the operator key signs accounts, an account's key signs its users.
Every participant is an account of its own, which imports nothing but its own subjects and its own mailbox
from the market's account. The server lets JetStream answer wherever a client says, whatever that client
may publish: inside one shared account a participant could delete another's mailbox that way; across
accounts the answer stays with the one who asked. Holds no connection.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

import nkeys

from takt_sdk.nats.creds import MARKET_KEY_TAG, creds_text
from takt_sdk.nats.subjects import (
    MAILBOX_CONSUMER,
    MAX_PAYLOAD_BYTES,
    REQUEST_CHANNELS,
    inbox_prefix,
    market_id,
    participant_id,
    stream_name,
    subject,
    tape_subject,
)
from takt_sdk.ports import Entropy
from takt_sdk.wall_clock import OsEntropy, WallClock

MAX_SUBSCRIPTIONS = 16
MAX_CONNECTIONS = 8

_PREFIXES = {
    "operator": nkeys.PREFIX_BYTE_OPERATOR,
    "account": nkeys.PREFIX_BYTE_ACCOUNT,
    "user": nkeys.PREFIX_BYTE_USER,
}
_UNLIMITED_ACCOUNT = {
    "subs": -1,
    "data": -1,
    "payload": -1,
    "imports": -1,
    "exports": -1,
    "wildcards": True,
    "conn": -1,
    "leaf": -1,
}

KEY_NAMES = ("operator", "account", "system")
"""Files of `MarketKeys`, less their ending ``.nk``."""

KeyRole = Literal["operator", "account", "user"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What the server lets one participant use. ``connections`` holds for all of its users together.

    ``reads_only`` leaves nothing but questions: no bid, report or order, no mailbox, no tape.
    """

    payload_bytes: int = MAX_PAYLOAD_BYTES
    subscriptions: int = MAX_SUBSCRIPTIONS
    connections: int = MAX_CONNECTIONS
    reads_only: bool = False


DEFAULT_LIMITS = ConnectionLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketKeys:
    """The seeds of a market: whoever has them is the market. Never log one.

    ``operator`` signs the accounts; ``account`` is the market's and signs its users; ``system`` is the
    account that may ask the server about itself.
    """

    operator: str
    account: str
    system: str

    def __repr__(self) -> str:
        return f"MarketKeys(operator={public_key(self.operator)})"

    def participant(self, market: str, participant: str) -> str:
        """Return the seed of a participant's account, derived from the market's: nothing to keep."""
        purpose = f"takt participant account {market_id(market)} {participant_id(participant)}"
        secret = hmac.digest(self.account.encode(), purpose.encode(), "sha256")
        seed: bytes = nkeys.encode_seed(secret, _PREFIXES["account"])
        return seed.decode()

    @classmethod
    def create(cls, entropy: Entropy | None = None) -> MarketKeys:
        """Draw the keys of a new market."""
        source = entropy or OsEntropy()
        return cls(
            operator=_new_seed("operator", source),
            account=_new_seed("account", source),
            system=_new_seed("account", source),
        )

    @classmethod
    def load_or_create(cls, folder: Path, entropy: Entropy | None = None) -> MarketKeys:
        """Read the keys kept in ``folder``, or draw them and keep them there, readable by the owner only."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not all((folder / f"{name}.nk").exists() for name in KEY_NAMES):
            fresh = cls.create(entropy)
            for name in KEY_NAMES:
                write_secret(folder / f"{name}.nk", getattr(fresh, name) + "\n")
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> MarketKeys:
        """Read the keys kept in ``folder``; `FileNotFoundError` if they are elsewhere."""
        return cls(**{name: (folder / f"{name}.nk").read_text().strip() for name in KEY_NAMES})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerIdentity:
    """What a server and its market need of the keys, without any key that issues credentials."""

    operator_jwt: str
    account_jwt: str
    system_jwt: str
    market_creds: str = field(repr=False)
    system_creds: str = field(repr=False)

    @classmethod
    def of(cls, keys: MarketKeys, market: str) -> ServerIdentity:
        """Derive it anew, with users of its own."""
        return cls(
            operator_jwt=operator_jwt(keys, market),
            account_jwt=account_jwt(keys, market),
            system_jwt=system_jwt(keys),
            market_creds=issue_market_creds(keys, market),
            system_creds=issue_system_creds(keys),
        )

    @classmethod
    def load(cls, folder: Path) -> ServerIdentity:
        """Read what `save` wrote."""
        return cls(**{one.name: (folder / one.name).read_text() for one in fields(cls)})

    def save(self, folder: Path) -> None:
        """Write it to a folder, readable by the owner only."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in fields(self):
            write_secret(folder / one.name, getattr(self, one.name))


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read; an existing one is kept.

    The file appears whole or not at all, also when two write it at once.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600
    draft = Path(name)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def public_key(seed: str) -> str:
    """Return the public key of a seed."""
    public: bytes = nkeys.from_seed(bytearray(seed.encode())).public_key
    return public.decode()


def operator_jwt(keys: MarketKeys, name: str) -> str:
    """Return the operator's own claim, which names the system account."""
    claim = {"type": "operator", "version": 2, "system_account": public_key(keys.system)}
    return _signed(name, public_key(keys.operator), claim, keys.operator)


def account_jwt(keys: MarketKeys, market: str) -> str:
    """Return the market's account: it has JetStream, and exports what participants import."""
    storage = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    exports = [_exchanged(name, "service") for name in _requests(market, "*")]
    exports += [_exchanged(name, "service", response_type="Stream") for name in _mailbox("*")]
    exports.append(_exchanged(tape_subject(market), "stream"))
    claim = {
        "type": "account",
        "version": 2,
        "limits": _UNLIMITED_ACCOUNT | storage,
        "exports": exports,
    }
    return _signed(market, public_key(keys.account), claim, keys.operator)


def participant_account_jwt(
    keys: MarketKeys,
    market: str,
    participant: str,
    *,
    max_connections: int = MAX_CONNECTIONS,
    revoked_until_s: int | None = None,
) -> str:
    """Return a participant's account, which the server must know before the participant connects.

    Users issued at or before ``revoked_until_s`` (seconds since 1970) are refused, those connected are
    cut off as soon as the server gets this claim.
    """
    source = public_key(keys.account)
    services = [*_requests(market, participant), *_mailbox(stream_name(market, participant))]
    imports = [_exchanged(name, "service", account=source) for name in services]
    imports.append(_exchanged(tape_subject(market), "stream", account=source))
    claim: dict[str, object] = {
        "type": "account",
        "version": 2,
        "limits": _UNLIMITED_ACCOUNT | {"conn": max_connections, "exports": 0, "leaf": 0},
        "imports": imports,
    }
    if revoked_until_s is not None:
        claim["revocations"] = {"*": revoked_until_s}
    name = f"{market_id(market)}.{participant_id(participant)}"
    return _signed(name, public_key(keys.participant(market, participant)), claim, keys.operator)


def _exchanged(name: str, kind: Literal["service", "stream"], **more: str) -> dict[str, str]:
    return {"name": name, "subject": name, "type": kind, **more}


def _requests(market: str, participant: str) -> list[str]:
    """Return what participants send; ``*`` stands for any of them."""
    prefix = f"takt.v1.{market_id(market)}"
    return [f"{prefix}.{channel}.{participant}" for channel in (*REQUEST_CHANNELS, "heartbeat")]


def _mailbox(stream: str) -> list[str]:
    """Return what taking messages out of a mailbox needs; ``*`` stands for any stream."""
    return [
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{MAILBOX_CONSUMER}",
        f"$JS.ACK.{stream}.{MAILBOX_CONSUMER}.>",
    ]


def system_jwt(keys: MarketKeys) -> str:
    """Return the system account, which may ask the server about itself and holds no streams."""
    claim = {"type": "account", "version": 2, "limits": _UNLIMITED_ACCOUNT}
    return _signed("system", public_key(keys.system), claim, keys.operator)


def issue_market_creds(keys: MarketKeys, market: str, *, entropy: Entropy | None = None) -> str:
    """Return credentials of the market itself: everything inside its account."""
    seed = new_user_seed(entropy)
    return creds_text(_user(keys.account, f"{market_id(market)}.market", public_key(seed), {}), seed)


def issue_system_creds(keys: MarketKeys, *, entropy: Entropy | None = None) -> str:
    """Return credentials for asking the server about itself."""
    seed = new_user_seed(entropy)
    return creds_text(_user(keys.system, "system", public_key(seed), {}), seed)


def issue_participant_creds(
    keys: MarketKeys,
    market: str,
    participant: str,
    *,
    expires_us: int | None = None,
    entropy: Entropy | None = None,
) -> str:
    """Return the text of a ``.creds`` file for one participant of one market, with a new user key.

    Any NATS client in any language takes it; its inbox prefix must be `takt_sdk.nats.subjects.inbox_prefix`.
    Issuing again does not revoke what was issued before.
    """
    seed = new_user_seed(entropy)
    jwt = participant_user_jwt(keys, market, participant, public_key(seed), expires_us=expires_us)
    return creds_text(jwt, seed)


def participant_user_jwt(
    keys: MarketKeys,
    market: str,
    participant: str,
    user_key: str,
    *,
    expires_us: int | None = None,
    limits: ConnectionLimits = DEFAULT_LIMITS,
    issued_s: int | None = None,
    market_key: str = "",
) -> str:
    """Return what lets the holder of ``user_key`` (a public nkey) be a participant of a market.

    ``market_key`` tells the participant whose signature under a receipt counts. The server closes the
    connection at ``expires_us`` (whole seconds count). ``issued_s`` is now where it is not given; it must
    lie after what the account's claim revokes.
    """
    sends = [*_requests(market, participant), *_mailbox(stream_name(market, participant))]
    hears = [f"{inbox_prefix(participant)}.>", tape_subject(market)]
    if limits.reads_only:
        sends, hears = [subject(market, "query", participant)], hears[:1]
    claim = {
        "pub": {"allow": sends},
        "sub": {"allow": hears},
        "subs": limits.subscriptions,
        "payload": limits.payload_bytes,
        **({"tags": [MARKET_KEY_TAG + market_key]} if market_key else {}),
    }
    name = f"{market_id(market)}.{participant_id(participant)}"
    issuer = keys.participant(market, participant)
    return _user(issuer, name, user_key, claim, expires_us=expires_us, issued_s=issued_s)


def _user(
    issuer_seed: str,
    name: str,
    user_key: str,
    claim: Mapping[str, object],
    *,
    expires_us: int | None = None,
    issued_s: int | None = None,
) -> str:
    limits = {"subs": -1, "data": -1, "payload": -1}
    claim = {"type": "user", "version": 2, "pub": {}, "sub": {}, **limits, **claim}
    return _signed(name, user_key, claim, issuer_seed, expires_us=expires_us, issued_s=issued_s)


def new_user_seed(entropy: Entropy | None = None) -> str:
    """Return a new user key's seed."""
    return _new_seed("user", entropy or OsEntropy())


def _new_seed(role: KeyRole, entropy: Entropy) -> str:
    seed: bytes = nkeys.encode_seed(entropy.token(32), _PREFIXES[role])
    return seed.decode()


def _signed(
    name: str,
    subject_key: str,
    claim: Mapping[str, object],
    issuer_seed: str,
    *,
    expires_us: int | None = None,
    issued_s: int | None = None,
) -> str:
    """Return a JWT in NATS' second version: Ed25519 over header and claims, keys as nkeys."""
    claims: dict[str, object] = {
        "iat": WallClock().now_us() // 1_000_000 if issued_s is None else issued_s,
        "iss": public_key(issuer_seed),
        "name": name,
        "sub": subject_key,
        "nats": claim,
    }
    if expires_us is not None:
        claims["exp"] = expires_us // 1_000_000
    digest = hashlib.sha256(json.dumps(claims, sort_keys=True).encode()).digest()
    claims["jti"] = base64.b32encode(digest).decode().rstrip("=")
    header = {"typ": "JWT", "alg": "ed25519-nkey"}
    signing_input = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
    signature: bytes = nkeys.from_seed(bytearray(issuer_seed.encode())).sign(signing_input.encode())
    return f"{signing_input}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
