"""Where `takt up` finds an escrow that runs on its own."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from market.adapters.escrow_client import RemoteEscrow
from scenarios.escrow_command import escrow, escrow_at


def test_no_address_is_no_escrow(tmp_path: Path) -> None:
    assert escrow_at(None, None) is None
    assert isinstance(escrow_at("127.0.0.1:4711", tmp_path / "token"), RemoteEscrow)


def test_an_address_without_its_token_or_port_is_refused(tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match="--escrow-token"):
        escrow_at("127.0.0.1:4711", None)
    for wrong in ("nowhere", "host:", ":1", "host:port"):
        with pytest.raises(click.BadParameter, match=f"must be .*HOST:PORT; was '{wrong}'"):
            escrow_at(wrong, tmp_path / "token")


def test_on_another_machine_it_is_reached_by_tls_only(tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match="on another machine it is tls://HOST:PORT"):
        escrow_at("escrow.example:4711", tmp_path / "token")
    assert isinstance(escrow_at("tls://escrow.example:4711", tmp_path / "token"), RemoteEscrow)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "0.0.0.0"), "needs --tls-cert and --tls-key; was '0.0.0.0'"),  # noqa: S104
        (("--tls-cert", __file__), "--tls-cert and --tls-key go together"),
        (("--tls-cert", __file__, "--tls-key", __file__), "are no pair"),
    ],
)
def test_an_escrow_that_others_reach_has_a_certificate(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    done = CliRunner().invoke(escrow, [str(tmp_path / "keys"), *options])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
