"""Where `takt up` finds an escrow that runs on its own."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from market.adapters.escrow_client import RemoteEscrow
from scenarios.escrow_command import escrow_at


def test_no_address_is_no_escrow(tmp_path: Path) -> None:
    assert escrow_at(None, None) is None
    assert isinstance(escrow_at("127.0.0.1:4711", tmp_path / "token"), RemoteEscrow)


def test_an_address_without_its_token_or_port_is_refused(tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match="--escrow-token"):
        escrow_at("127.0.0.1:4711", None)
    for wrong in ("nowhere", "host:", ":1", "host:port"):
        with pytest.raises(click.BadParameter, match=f"must be HOST:PORT; was '{wrong}'"):
            escrow_at(wrong, tmp_path / "token")
