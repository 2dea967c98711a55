"""The outbox file, repeated warnings, and credentials in a file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from market.adapters.nats_identity import MarketKeys
from market.adapters.nats_issuer import Issuer
from market.bus_errors import CredentialsError
from takt_sdk.nats.credentials import CredentialsFile, CredentialsFileError
from takt_sdk.nats.creds import claims_of, jwt_of
from takt_sdk.outbox import Outbox, Stored
from takt_sdk.repeats import Repeats


def message(number: int) -> Stored:
    return Stored(message_id=f"m-{number}", kind="takt.x.v1", channel="report", body=b"{}", stored_us=number)


def test_what_is_stored_stays_in_order_until_it_is_answered_and_then_for_good(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "box.db", "m.acme")
    for number in (3, 1, 2, 3):
        box.put(message(number))
    box.answered("m-1", b"receipt", 9)
    box.close()
    again = Outbox(tmp_path / "box.db", "m.acme")
    assert [one.message_id for one in again.unanswered()] == ["m-3", "m-2"]
    assert [(one.message_id, one.reply) for one in again] == [("m-3", b""), ("m-1", b"receipt"), ("m-2", b"")]
    assert (again.reply_to("m-1"), again.reply_to("m-2"), again.reply_to("m-9")) == (b"receipt", None, None)
    again.close()


def test_a_warning_is_said_less_and_less_often_until_all_is_well(caplog: pytest.LogCaptureFixture) -> None:
    repeats = Repeats(logging.getLogger("test"))
    for _ in range(100):
        repeats.warn("away")
    assert [record.message for record in caplog.records] == [
        "away",
        *(f"away ({times} times)" for times in (2, 4, 8, 16, 32, 64)),
    ]
    repeats.over("back")
    repeats.over("back")  # nothing was wrong since
    repeats.warn("away")
    assert [record.message for record in caplog.records[-2:]] == ["back", "away"]


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(MarketKeys.create(), "m1", tmp_path / "nats")


def test_credentials_are_read_again_and_renewal_shows(tmp_path: Path, issuer: Issuer) -> None:
    file = tmp_path / "acme.creds"
    file.write_text(issuer.issue("acme", expires_us=2_000_000_000_000_000))
    found = CredentialsFile(file)
    assert (found.market, found.participant, found.expires_us) == ("m1", "acme", 2_000_000_000_000_000)
    assert found.read() == file.read_text()
    assert not found.renewed()
    file.write_text(
        file.read_text().replace(jwt_of(file.read_text()), issuer.renew("acme", expires_us=None).strip())
    )
    assert found.renewed()
    found.read()
    assert (found.renewed(), found.expires_us) == (False, None)
    file.write_text("")  # somebody is writing it
    assert not found.renewed()
    with pytest.raises(CredentialsFileError, match="is not a participant's"):
        found.read()


def test_a_jwt_needs_the_seed_that_its_owner_keeps(tmp_path: Path, issuer: Issuer) -> None:
    file, seed = tmp_path / "acme.creds", tmp_path / "own.nk"
    file.write_text(jwt_of(issuer.issue("acme")))
    with pytest.raises(CredentialsFileError, match="holds no key"):
        CredentialsFile(file).read()
    seed.write_text("SUABC\n")
    assert "SUABC" in CredentialsFile(file, seed).read()


def test_what_is_revoked_is_neither_renewed_nor_reborn_and_new_credentials_are_later(issuer: Issuer) -> None:
    old = claims_of(jwt_of(issuer.issue("acme")))
    end_s = issuer.revoke("acme")
    assert end_s >= old["iat"]
    assert issuer.issued("acme") is not None
    with pytest.raises(CredentialsError, match="revoked"):
        issuer.renew("acme", expires_us=None)
    new = claims_of(jwt_of(issuer.issue("acme")))
    assert new["iat"] > end_s
    rotated = claims_of(jwt_of(issuer.rotate("acme")))
    assert rotated["iat"] > new["iat"]
    with pytest.raises(CredentialsError, match="no credentials were issued here"):
        issuer.rotate("forge")
    with pytest.raises(CredentialsError, match="public nkey"):
        issuer.issue("forge", user_key="A" * 56)
