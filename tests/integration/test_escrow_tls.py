"""An escrow on another machine is reached over TLS, with its certificate checked, and no other way."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from market.adapters.escrow_client import RemoteEscrow
from market.adapters.escrow_server import EscrowAddress, serving_escrow, token_of
from market.errors import EscrowRefusedError, EscrowUnavailableError
from scenarios.escrow_command import escrow_at
from tests.certificates import certificate, needs_openssl
from tests.integration.live_market import program

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is tested


def server_tls(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    return context


def client(folder: Path, port: int, tls: ssl.SSLContext | None, token: str = "") -> RemoteEscrow:
    place = EscrowAddress(host="127.0.0.1", port=port, pid=1)
    return RemoteEscrow(lambda: place, lambda: token or token_of(folder), tls)


@needs_openssl
async def test_keys_travel_over_tls(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    folder = tmp_path / "keys"
    async with serving_escrow(folder, host=EVERYWHERE, tls=server_tls(cert, key)) as address:
        trusted = ssl.create_default_context(cafile=cert)
        escrow = client(folder, address.port, trusted)
        public = await escrow.public_key("m", "r-1")
        assert len(bytes.fromhex(public)) == 32
        assert await escrow.public_key("m", "r-1") == public
        with pytest.raises(EscrowRefusedError, match="the token is not the escrow's"):
            await client(folder, address.port, trusted, token="another").public_key("m", "r-1")


def _own(_: Path) -> ssl.SSLContext:
    """Trust what this machine trusts: not the certificate of a test."""
    return ssl.create_default_context()


def _of_another(folder: Path) -> ssl.SSLContext:
    """Trust another escrow's certificate."""
    (folder / "other").mkdir()
    return ssl.create_default_context(cafile=certificate(folder / "other")[0])


@needs_openssl
@pytest.mark.parametrize("trusting", [_own, _of_another, lambda _: None])
async def test_an_escrow_whose_certificate_is_not_trusted_gets_no_token(
    tmp_path: Path, trusting: Callable[[Path], ssl.SSLContext | None]
) -> None:
    cert, key = certificate(tmp_path)
    folder = tmp_path / "keys"
    async with serving_escrow(folder, tls=server_tls(cert, key)) as address:
        with pytest.raises(EscrowUnavailableError, match="does not answer"):
            await client(folder, address.port, trusting(tmp_path)).public_key("m", "r-1")


@needs_openssl
async def test_the_certificate_must_be_of_the_name_that_was_asked_for(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "DNS:escrow.example")
    folder = tmp_path / "keys"
    async with serving_escrow(folder, tls=server_tls(cert, key)) as address:
        escrow = client(folder, address.port, ssl.create_default_context(cafile=cert))
        with pytest.raises(EscrowUnavailableError, match="IP address mismatch"):
            await escrow.public_key("m", "r-1")


async def test_without_tls_an_escrow_listens_on_loopback_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without TLS an escrow listens on loopback only"):
        async with serving_escrow(tmp_path, host=EVERYWHERE):
            pass


async def test_without_tls_no_token_leaves_this_machine() -> None:
    asked: list[str] = []

    def token() -> str:
        asked.append("token")
        return "secret"

    place = EscrowAddress(host="192.0.2.1", port=4711, pid=1)
    with pytest.raises(
        EscrowUnavailableError, match=r"without TLS an escrow is on this machine; was at 192\."
    ):
        async with asyncio.timeout(5.0):
            await RemoteEscrow(lambda: place, token).public_key("m", "r-1")
    assert not asked


@needs_openssl
async def test_the_command_serves_over_tls_what_takt_up_asks_for(tmp_path: Path) -> None:
    cert, key = await asyncio.to_thread(certificate, tmp_path)
    keys = tmp_path / "keys"
    options = ("--host", EVERYWHERE, "--tls-cert", str(cert), "--tls-key", str(key))
    with program(("escrow", str(keys), *options), tmp_path / "escrow.log") as running:
        await asyncio.to_thread(running.wait_until_printed, "token")
        port = running.said(r"escrow +tls://0\.0\.0\.0:(\d+)")
        escrow = escrow_at(f"tls://127.0.0.1:{port}", keys / "token", cert)
        assert escrow is not None
        assert len(await escrow.public_key("m", "r-1")) == 64
