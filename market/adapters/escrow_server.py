"""The escrow as a process of its own: keys in a folder, requests over TCP, with TLS off this machine.

`takt escrow` runs it; the embedded market starts it as a child where its rules seal bids.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market.adapters.addresses import LOOPBACK, is_loopback
from market.adapters.escrow_keys import EscrowKeys, FileKeyStore
from market.adapters.escrow_wire import MAX_LINE, line, proof_from_json
from market.errors import EscrowRefusedError
from takt_sdk.wall_clock import OsEntropy, WallClock

_LOG = logging.getLogger(__name__)

KEY_BYTES = 32
ADDRESS, TOKEN = "address.json", "token"


@dataclass(frozen=True, slots=True, kw_only=True)
class EscrowAddress:
    """Where an escrow listens."""

    host: str
    port: int
    pid: int


def token_of(folder: Path) -> str:
    """Return the token that opens the escrow of a folder, made on first use and kept with mode 0600."""
    file = folder / TOKEN
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as out:
                out.write(OsEntropy().token(KEY_BYTES).hex())
    return file.read_text()


def address_of(folder: Path) -> EscrowAddress | None:
    """Return where the escrow of a folder last said that it listens, or None."""
    try:
        return EscrowAddress(**json.loads((folder / ADDRESS).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


@asynccontextmanager
async def serving_escrow(
    folder: Path,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    market_key: str = "",
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[EscrowAddress]:
    """Answer requests until the block is left; ``address.json`` in the folder says where.

    Raises
    ------
    ValueError
        If others could reach it without TLS: token and keys would be theirs.
    """
    if tls is None and not is_loopback(host):
        raise ValueError(f"without TLS an escrow listens on loopback only; was {host!r}")
    keys = EscrowKeys(
        FileKeyStore(folder),
        lambda _market, _round: OsEntropy().token(KEY_BYTES).hex(),
        market_key=market_key,
        now_us=WallClock().now_us,
    )
    desk = _Desk(keys, token_of(folder))
    server = await asyncio.start_server(desk.serve, host, port, limit=MAX_LINE, ssl=tls)
    async with server:
        address = EscrowAddress(host=host, port=server.sockets[0].getsockname()[1], pid=os.getpid())
        draft = folder / f"{ADDRESS}.draft"
        draft.write_text(json.dumps({"host": address.host, "port": address.port, "pid": address.pid}))
        draft.replace(folder / ADDRESS)
        try:
            yield address
        finally:
            desk.cut()


class _Desk:
    """Answers one request per line."""

    def __init__(self, keys: EscrowKeys, token: str) -> None:
        self._keys, self._token = keys, token
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Cut every connection: from Python 3.12 on, a server that closes waits for the other sides to go."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the other side goes."""
        self._open.add(writer)
        try:
            while request := await reader.readline():
                writer.write(line(await asyncio.to_thread(self._answer, request)))
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            _LOG.warning("a connection ended: %s", error)
        finally:
            self._open.discard(writer)
            writer.close()

    def _answer(self, request: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(request)
            if not hmac.compare_digest(str(asked.get("token", "")), self._token):
                return {"refused": "the token is not the escrow's"}
            return self._done(asked)
        except EscrowRefusedError as error:
            _LOG.warning("refused: %s", error)
            return {"refused": str(error)}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return {"refused": f"not a request: {error}"}
        except OSError as error:
            _LOG.exception("the keys cannot be kept")
            return {"failed": str(error)}

    def _done(self, asked: dict[str, Any]) -> dict[str, Any]:
        match asked["ask"]:
            case "public_key":
                return {"key": self._keys.public_key(str(asked["market"]), str(asked["round_id"]))}
            case "release":
                return {"key": self._keys.release(proof_from_json(asked["proof"]))}
            case "forget":
                self._keys.forget(str(asked["market"]), str(asked["round_id"]))
                return {"key": ""}
            case other:
                return {"refused": f"no such request: {str(other)[:40]}"}
