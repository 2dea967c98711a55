"""The way of changed claims from a folder into a running server. Decides nothing."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from nats.aio.client import Client

from takt_sdk.nats.connection import close

_LOG = logging.getLogger(__name__)


class ClaimsFolder:
    """The account claims in ``folder``, and which of them the server was handed since this was made.

    The server reads the claim of an account it does not know by itself, but not a later one: without
    `hand_over` a revocation would wait for a restart.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._known: dict[str, tuple[int, str]] = {}

    async def hand_over(self, connect: Callable[[], Awaitable[Client]]) -> None:
        """Give the server every claim that changed; ``connect`` connects as its system account.

        What the server cannot take now is tried next time; what it refuses is logged and left.
        """
        changed = self._changed()
        news = {name: item for name, item in changed.items() if self._known.get(name, (0, ""))[1] != item[1]}
        if news:
            client = await connect()
            try:
                for name, (_, claim) in news.items():
                    await _update(client, name, claim)
            finally:
                await close(client)
        self._known.update(changed)

    def _changed(self) -> dict[str, tuple[int, str]]:
        """Return name → (time of change, claim) of the files written since they were last read."""
        changed: dict[str, tuple[int, str]] = {}
        for entry in os.scandir(self.folder):
            known = self._known.get(entry.name)
            modified_ns = entry.stat().st_mtime_ns
            if entry.name.endswith(".jwt") and (known is None or known[0] != modified_ns):
                changed[entry.name] = (modified_ns, Path(entry.path).read_text().strip())
        return changed


async def _update(client: Client, name: str, claim: str) -> None:
    key = name.removesuffix(".jwt")
    answer = await client.request(f"$SYS.REQ.ACCOUNT.{key}.CLAIMS.UPDATE", claim.encode(), timeout=5)
    if "error" in (said := json.loads(answer.data)):
        _LOG.error("nats-server refused the claim %s: %s", name, said["error"])
