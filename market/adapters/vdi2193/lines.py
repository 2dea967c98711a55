"""Frames as lines: one JSON text a line, over the standard streams of a process. Decides nothing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from typing import Self

from takt_sdk.nats.subjects import MAX_PAYLOAD_BYTES

MAX_LINE_BYTES = 4 * MAX_PAYLOAD_BYTES
"""A frame is larger than the message that it becomes."""


class LinePort:
    """`bridge.FramePort` over a stream of lines; ends with the stream or at a line that is too long."""

    def __init__(self, reader: asyncio.StreamReader, write: Callable[[bytes], None]) -> None:
        self._reader, self._write = reader, write

    @classmethod
    async def standard(cls) -> Self:
        """Return the port of this process: frames in on standard input, out on standard output.

        Raises
        ------
        ValueError
            If standard input is a file: it must be a pipe, a socket or a terminal.
        """
        reader = asyncio.StreamReader(limit=MAX_LINE_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
        return cls(reader, _to_standard_output)

    async def send(self, frame: bytes) -> None:
        """Write a frame and its line break; returns when the stream has taken it."""
        await asyncio.to_thread(self._write, frame + b"\n")

    async def frames(self) -> AsyncIterator[bytes]:
        """Yield the lines that hold anything."""
        while line := await self._reader.readline():
            if line.strip():
                yield line


def _to_standard_output(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
