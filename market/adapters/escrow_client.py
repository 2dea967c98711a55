"""The market's side of an escrow in another process: one that runs already, or a child of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from market.adapters.addresses import is_loopback
from market.adapters.escrow_server import EscrowAddress, address_of, token_of
from market.adapters.escrow_wire import MAX_LINE, line, proof_to_json
from market.errors import EscrowRefusedError, EscrowUnavailableError
from market.ports import CloseProof

_LOG = logging.getLogger(__name__)

ANSWER_S = 5.0
START_S = 20.0
STOP_S = 5.0
_POLL_S = 0.02


class RemoteEscrow:
    """`market.ports.Escrow` over TCP; a connection per request.

    With ``tls`` the escrow's certificate must be trusted and be of the host's name; without it the
    escrow must be on this machine.
    """

    def __init__(
        self,
        address: Callable[[], EscrowAddress | None],
        token: Callable[[], str],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._address, self._token, self._tls = address, token, tls

    async def public_key(self, market: str, round_id: str) -> str:
        """Return the public half of a round's key."""
        return await self._ask({"ask": "public_key", "market": market, "round_id": round_id})

    async def release(self, proof: CloseProof) -> str:
        """Return the private half once the close is proven."""
        return await self._ask({"ask": "release", "proof": proof_to_json(proof)})

    async def forget(self, market: str, round_id: str) -> None:
        """Delete a round's key."""
        await self._ask({"ask": "forget", "market": market, "round_id": round_id})

    async def close(self) -> None:
        """Nothing was started."""

    async def _ask(self, request: dict[str, Any]) -> str:
        address = self._address()
        if address is None:
            raise EscrowUnavailableError("no escrow has said where it is")
        if self._tls is None and not is_loopback(address.host):
            raise EscrowUnavailableError(f"without TLS an escrow is on this machine; was at {address.host}")
        try:
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_connection(
                    address.host, address.port, limit=MAX_LINE, ssl=self._tls
                )
                try:
                    writer.write(line({"token": self._token(), **request}))
                    await writer.drain()
                    reply = json.loads(await reader.readline())
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError) as error:
            raise EscrowUnavailableError(
                f"the escrow at {address.host}:{address.port} does not answer: {error!r}"
            ) from error
        if "refused" in reply:
            raise EscrowRefusedError(f"the escrow refused: {reply['refused']}")
        if "key" not in reply:
            raise EscrowUnavailableError(f"the escrow failed: {reply.get('failed', reply)}")
        return str(reply["key"])


class ChildEscrow(RemoteEscrow):
    """An escrow in a child process, started on the first request and again when it has died.

    Its keys are in its folder, so that a restart loses none. The child ends when this process does.
    """

    def __init__(self, folder: Path, *, market_key: Callable[[], str] = str) -> None:
        super().__init__(lambda: address_of(folder), lambda: token_of(folder))
        self._folder, self._market_key = folder, market_key
        self._child: asyncio.subprocess.Process | None = None
        self._starting = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The child's process id, None where there is none."""
        return None if self._child is None or self._child.returncode is not None else self._child.pid

    async def close(self) -> None:
        """End the child."""
        if self._child is not None and self._child.returncode is None:
            self._child.terminate()
            try:
                async with asyncio.timeout(STOP_S):
                    await self._child.wait()
            except TimeoutError:
                self._child.kill()
                await self._child.wait()

    async def _ask(self, request: dict[str, Any]) -> str:
        async with self._starting:
            if self.pid is None:
                await self._start()
        return await super()._ask(request)

    async def _start(self) -> None:
        if self._child is not None:
            _LOG.error("the escrow has ended with %s and is started again", self._child.returncode)
        token_of(self._folder)
        key = self._market_key()
        arguments = [str(self._folder), *(["--market-key", key] if key else [])]
        self._child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "market.adapters.escrow_process",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(START_S):
                while (address := address_of(self._folder)) is None or address.pid != self._child.pid:
                    if self._child.returncode is not None:
                        raise EscrowUnavailableError(f"the escrow ended with {self._child.returncode}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            with suppress(ProcessLookupError):
                self._child.kill()
            raise EscrowUnavailableError(f"the escrow did not start within {START_S:g} s") from error
