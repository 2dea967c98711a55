"""How the participant under test is started and ended: its command, or a person at another terminal."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

STOP_S = 5.0
SHOWN = 2_000
"""Characters of a command's output that a report shows."""


class Partner(Protocol):
    """The participant under test."""

    async def start(self, creds: Path, url: str, server_name: str) -> None:
        """Let it join."""
        ...

    async def kill(self) -> None:
        """End it without a word, as a crash does."""
        ...

    async def stop(self) -> None:
        """End it for good. Idempotent."""
        ...

    def ended(self) -> str:
        """Return how it ended by itself; empty while it runs."""
        ...


class CommandPartner:
    """A command, with ``{creds}``, ``{url}`` and ``{server}`` filled in; what it prints goes to ``log``."""

    def __init__(self, command: str, log: Path) -> None:
        self._command, self._log = command, log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, creds: Path, url: str, server_name: str) -> None:
        """Run the command in a process group of its own."""
        filled = {"{creds}": str(creds), "{url}": url, "{server}": server_name}
        words = shlex.split(self._command)
        for name, value in filled.items():
            words = [word.replace(name, value) for word in words]
        with self._log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *words, stdout=out, stderr=asyncio.subprocess.STDOUT, start_new_session=True
            )

    async def kill(self) -> None:
        """Send SIGKILL to the whole group."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Send SIGTERM, and SIGKILL to what is left of it after some seconds."""
        if self._process is None or self._process.returncode is not None:
            return
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await self._process.wait()
        except TimeoutError:
            await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            os.killpg(process.pid, number)
            await process.wait()

    def ended(self) -> str:
        """Return the exit code and the end of the output."""
        if self._process is None or self._process.returncode is None:
            return ""
        said = self._log.read_text(errors="replace")[-SHOWN:].strip()
        return f"the command ended with exit code {self._process.returncode}; it said: {said or '(nothing)'}"


class AwaitedPartner:
    """A participant that somebody starts and kills by hand; ``ask`` says when, and returns once it is."""

    def __init__(self, ask: Callable[[str], object]) -> None:
        self._ask = ask

    async def start(self, creds: Path, url: str, server_name: str) -> None:
        """Let it be started."""
        what = f"Start your participant: credentials {creds}, server {url} ({server_name})."
        await asyncio.to_thread(self._ask, f"{what} Then press Enter. ")

    async def kill(self) -> None:
        """Let it be killed."""
        await asyncio.to_thread(self._ask, "Kill your participant (kill -9). Then press Enter. ")

    async def stop(self) -> None:
        """Leave it to its owner."""

    def ended(self) -> str:
        """Nobody knows."""
        return ""
