"""Keys, credentials and names on NATS, without a server."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nkeys
import pytest

from market.adapters import nats_identity as identity
from takt_sdk.model.errors import InvalidIdError
from takt_sdk.nats import subjects as names
from takt_sdk.nats.creds import claims_of, jwt_of, seed_of
from takt_sdk.wall_clock import OsEntropy, WallClock


class Counting:
    """Entropy that is not: every token is different and known."""

    def __init__(self) -> None:
        self.drawn = 0

    def token(self, size: int) -> bytes:
        self.drawn += 1
        return self.drawn.to_bytes(size, "big")


def test_keys_come_from_the_entropy_port() -> None:
    assert identity.MarketKeys.create(Counting()) == identity.MarketKeys.create(Counting())
    assert identity.MarketKeys.create() != identity.MarketKeys.create()


def test_keys_are_of_their_kinds() -> None:
    keys = identity.MarketKeys.create(Counting())
    kinds = [identity.public_key(seed)[0] for seed in (keys.operator, keys.account, keys.system)]
    assert kinds == ["O", "A", "A"]
    assert len({keys.operator, keys.account, keys.system}) == 3


def test_a_broken_off_creation_is_finished(tmp_path: Path) -> None:
    identity.MarketKeys.load_or_create(tmp_path, Counting())
    kept = (tmp_path / "operator.nk").read_text()
    (tmp_path / "system.nk").unlink()
    finished = identity.MarketKeys.load_or_create(tmp_path)
    assert finished.operator + "\n" == kept
    assert identity.MarketKeys.load_or_create(tmp_path) == finished


def test_two_that_start_at_once_agree_on_the_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        loaded = list(
            pool.map(lambda n: identity.MarketKeys.load_or_create(tmp_path / str(n // 8)), range(64))
        )
    assert len({keys.operator for keys in loaded}) == 8


def test_a_secret_is_for_its_owner_and_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    identity.write_secret(file, "first")
    identity.write_secret(file, "second")
    assert file.read_text() == "first"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_claim_is_signed_by_its_issuer() -> None:
    keys = identity.MarketKeys.create(Counting())
    jwt = jwt_of(identity.issue_market_creds(keys, "m1", entropy=Counting()))
    signed, _, signature = jwt.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    pair = nkeys.from_seed(bytearray(keys.account.encode()))
    assert pair.verify(signed.encode(), raw)
    assert claims_of(jwt)["iss"] == identity.public_key(keys.account)


def test_credentials_hold_the_key_that_their_claim_names() -> None:
    creds = identity.issue_participant_creds(identity.MarketKeys.create(), "m1", "acme")
    claims = claims_of(jwt_of(creds))
    assert claims["sub"] == identity.public_key(seed_of(creds))
    assert "exp" not in claims


def test_issuing_again_draws_a_new_user_key() -> None:
    keys = identity.MarketKeys.create()
    first, second = (identity.issue_participant_creds(keys, "m1", "acme") for _ in range(2))
    assert seed_of(first) != seed_of(second)


def test_what_is_no_creds_file_is_told() -> None:
    with pytest.raises(ValueError, match="must have a section 'USER NKEY SEED'"):
        seed_of("hello")


@pytest.mark.parametrize(
    "name", ["", "-a", "A", "a.b", "a b", "a>", "*", "a_b", "é", "a" * 64, "a\n", "\u0661"]
)
def test_a_name_that_is_no_token_is_refused_everywhere(name: str) -> None:
    keys = identity.MarketKeys.create(Counting())
    with pytest.raises(InvalidIdError, match="participant"):
        identity.issue_participant_creds(keys, "m1", name)
    with pytest.raises(InvalidIdError, match="market"):
        identity.issue_participant_creds(keys, name, "acme")
    with pytest.raises(InvalidIdError, match="participant"):
        names.subject("m1", "bid", name)
    with pytest.raises(InvalidIdError, match="market"):
        names.tape_subject(name)


@pytest.mark.parametrize("name", ["a", "0", "a-", "a" * 63])
def test_a_name_that_is_a_token_is_taken(name: str) -> None:
    assert names.participant_id(name) == name
    assert names.market_id(name) == name


def test_the_clock_and_the_entropy_of_the_machine() -> None:
    clock = WallClock()
    first, second = clock.monotonic_s(), clock.monotonic_s()
    assert first <= second
    assert clock.now_us() > 1_700_000_000_000_000
    assert len(OsEntropy().token(16)) == 16
    assert OsEntropy().token(16) != OsEntropy().token(16)
