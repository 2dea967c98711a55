"""Credentials of a market's participants: issued, renewed, exchanged and withdrawn, by files alone.

Whoever holds the market's keys can do it, on the market's machine or on one without any network. What the
server must know lies in ``claims/``, one claim per participant; the running market takes what changes
there. ``users/`` keeps the last user claim of each participant: claims are public, keys are not kept.
``accounts/`` is the server's own: it is given what is new there, and what changes over its connection.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market.adapters import nats_identity
from market.adapters.nats_identity import DEFAULT_LIMITS, ConnectionLimits, MarketKeys, public_key
from market.bus_errors import CredentialsError
from takt_sdk.model.errors import ModelError
from takt_sdk.model.keys import check_key
from takt_sdk.nats.creds import claims_of, creds_text
from takt_sdk.nats.subjects import market_id, participant_id
from takt_sdk.ports import Clock, Entropy
from takt_sdk.wall_clock import WallClock

_SECOND_US = 1_000_000

MARKET_KEY_FILE = "market-key.pub"
"""In the folder of an issuer: the market's public key, which goes into the credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What a participant was issued last. ``expires_us`` None: until it is revoked."""

    participant: str
    user_key: str
    issued_us: int
    expires_us: int | None
    limits: ConnectionLimits
    revoked: bool


class Register:
    """What was issued, read from the claims in a folder; needs no keys."""

    def __init__(self, folder: Path) -> None:
        self._claims, self._users = folder / "claims", folder / "users"
        self._accounts = folder / "accounts"

    def issued(self, participant: str) -> Issued | None:
        """Return what a participant was issued last, as far as this folder knows."""
        claims = _read(self._users / f"{participant_id(participant)}.jwt")
        if claims is None:
            return None
        user, account = claims["nats"], _read(self._claims / f"{claims['iss']}.jwt")
        revoked_s = _revoked_until_s(account)
        limits = ConnectionLimits(
            payload_bytes=user["payload"],
            subscriptions=user["subs"],
            connections=DEFAULT_LIMITS.connections if account is None else account["nats"]["limits"]["conn"],
            reads_only=len(user["pub"]["allow"]) == 1,
        )
        return Issued(
            participant=participant,
            user_key=claims["sub"],
            issued_us=claims["iat"] * _SECOND_US,
            expires_us=claims["exp"] * _SECOND_US if "exp" in claims else None,
            limits=limits,
            revoked=revoked_s is not None and claims["iat"] <= revoked_s,
        )


class Issuer(Register):
    """Issues a market's credentials; keeps its claims in ``folder``.

    Methods that change something write files only. They take effect in a running market within half a
    second once the claim in ``claims/`` lies in its folder.
    """

    def __init__(
        self,
        keys: MarketKeys,
        market: str,
        folder: Path,
        *,
        clock: Clock | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        self.keys, self.market = keys, market_id(market)
        super().__init__(folder)
        self._clock, self._entropy = clock or WallClock(), entropy
        self._market_key = folder / MARKET_KEY_FILE
        for part in (self._claims, self._users):
            part.mkdir(parents=True, exist_ok=True)

    def account_file(self, participant: str) -> Path:
        """Return where the claim lies that the server must get."""
        return self._claims / f"{public_key(self.keys.participant(self.market, participant))}.jwt"

    def issue(
        self,
        participant: str,
        *,
        expires_us: int | None = None,
        limits: ConnectionLimits = DEFAULT_LIMITS,
        user_key: str | None = None,
    ) -> str:
        """Return credentials: the text of a ``.creds`` file, or a JWT alone for the holder of ``user_key``.

        What was issued before stays valid; `rotate` ends it.

        Raises
        ------
        CredentialsError
            If ``user_key`` is not a user's public nkey.
        """
        revoked_s = _revoked_until_s(_read(self.account_file(participant)))
        issued_s = self._now_s() if revoked_s is None else max(self._now_s(), revoked_s + 1)
        self._write_account(participant, limits.connections, revoked_s)
        return self._issue(participant, expires_us, limits, user_key, issued_s)

    def renew(self, participant: str, *, expires_us: int | None) -> str:
        """Return a new JWT for the key that was issued last, with the same limits.

        Raises
        ------
        CredentialsError
            If nothing was issued, or it was revoked.
        """
        last = self._last(participant)
        if last.revoked:
            raise CredentialsError("NAME", participant, "its credentials are revoked: issue new ones")
        return self._issue(participant, expires_us, last.limits, last.user_key, self._now_s())

    def rotate(self, participant: str, *, expires_us: int | None = None, user_key: str | None = None) -> str:
        """Return credentials for another key; whatever was issued before ends.

        Raises
        ------
        CredentialsError
            As `issue`, and if nothing was issued yet.
        """
        last = self._last(participant)
        end_s = self.revoke(participant)
        return self._issue(participant, expires_us, last.limits, user_key, end_s + 1)

    def revoke(self, participant: str) -> int:
        """End everything that was issued to a participant; return the last second that is revoked."""
        last = self.issued(participant)
        issued_s = 0 if last is None else last.issued_us // _SECOND_US
        end_s = max(self._now_s(), issued_s, _revoked_until_s(_read(self.account_file(participant))) or 0)
        connections = DEFAULT_LIMITS.connections if last is None else last.limits.connections
        self._write_account(participant, connections, end_s)
        return end_s

    def _issue(
        self,
        participant: str,
        expires_us: int | None,
        limits: ConnectionLimits,
        user_key: str | None,
        issued_s: int,
    ) -> str:
        if user_key is not None:
            check_user_key(user_key)
        seed = nats_identity.new_user_seed(self._entropy) if user_key is None else None
        jwt = nats_identity.participant_user_jwt(
            self.keys,
            self.market,
            participant,
            public_key(seed) if seed else user_key or "",
            expires_us=expires_us,
            limits=limits,
            issued_s=issued_s,
            market_key=self._market_key.read_text().strip() if self._market_key.exists() else "",
        )
        replace_file(self._users / f"{participant}.jwt", jwt)
        return creds_text(jwt, seed) if seed else f"{jwt}\n"

    def _write_account(self, participant: str, connections: int, revoked_s: int | None) -> None:
        claim = nats_identity.participant_account_jwt(
            self.keys, self.market, participant, max_connections=connections, revoked_until_s=revoked_s
        )
        file = self.account_file(participant)
        replace_file(file, claim)
        if self._accounts.exists() and not (new := self._accounts / file.name).exists():
            replace_file(new, claim)  # the server looks there for an account that it does not know yet

    def _last(self, participant: str) -> Issued:
        last = self.issued(participant)
        if last is None:
            raise CredentialsError("NAME", participant, "no credentials were issued here")
        return last

    def _now_s(self) -> int:
        return self._clock.now_us() // _SECOND_US


def check_user_key(key: str) -> None:
    """Raise `CredentialsError` unless ``key`` is the public nkey of a user (``U...``)."""
    try:
        check_key("key", key)
    except ModelError as error:
        raise CredentialsError("key", key, str(error)) from error
    if not key.startswith("U"):
        raise CredentialsError("key", key, "must be a user's public nkey (U...)")


def _revoked_until_s(account: dict[str, Any] | None) -> int | None:
    revocations: dict[str, int] = {} if account is None else account["nats"].get("revocations", {})
    return revocations.get("*")


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return claims_of(file.read_text())
    except FileNotFoundError:
        return None


def replace_file(path: Path, text: str) -> None:
    """Write a file that others may be reading: it changes as a whole."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(path)
