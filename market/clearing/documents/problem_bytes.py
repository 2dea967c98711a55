"""Bytes of a problem file into a parsed document: bounded, plain or gzip. Knows nothing of its fields."""

from __future__ import annotations

import gc
import json
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Never

from market.clearing.errors import ProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_BYTES = 2**31 - 1
"""Longest document that is read, after decompression: what holds memory within bounds."""


def bytes_of(path: Path) -> bytes:
    """Return the content of a file or a pipe, bounded."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ProblemError("document", f"must have at most {MAX_BYTES} bytes (has {size})")
    with path.open("rb") as file:
        raw = file.read() if path.is_file() else file.read(MAX_BYTES + 1)  # a pipe tells no size
    if len(raw) > MAX_BYTES:
        raise ProblemError("document", f"must have at most {MAX_BYTES} bytes")
    return raw


def unzipped(raw: bytes) -> bytes:
    """Return the content of all members of a gzip file, bounded."""
    parts, size = [], 0
    try:
        while raw:
            member = zlib.decompressobj(wbits=31)
            part = member.decompress(raw, MAX_BYTES + 1 - size)
            size += len(part)
            if size > MAX_BYTES:
                raise ProblemError("document", f"must have at most {MAX_BYTES} bytes when decompressed")
            if not member.eof:
                raise ProblemError("document", "is not valid gzip (it ends early)")
            parts.append(part)
            raw = member.unused_data.lstrip(b"\0")
    except zlib.error as error:
        raise ProblemError("document", f"is not valid gzip ({error})") from None
    return b"".join(parts)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep the collector from walking millions of fresh records again and again: two thirds of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def parsed(raw: bytes, *, repeated: type[dict[str, Any]] | None = None) -> Any:  # noqa: ANN401 - any JSON
    """Parse JSON; with ``repeated``, objects that repeat a key are of that class."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(found)
        return record if len(record) == len(found) or repeated is None else repeated(record)

    try:
        return json.loads(
            raw, parse_constant=refuse_constant, object_pairs_hook=None if repeated is None else pairs
        )
    except ValueError as error:
        raise ProblemError("document", f"is not valid JSON ({error})") from None
    except RecursionError:
        raise ProblemError("document", "is nested too deeply") from None


class Repeating(dict[str, Any]):
    """A record in which a key stood twice."""


def repeating(value: object, path: str) -> str | None:
    """Return the path of the first object that repeats a key."""
    if isinstance(value, Repeating):
        return path
    if isinstance(value, dict):
        steps = ((f"{path}.{name}" if path else str(name), inner) for name, inner in value.items())
    elif isinstance(value, list):
        steps = ((f"{path}[{i}]", inner) for i, inner in enumerate(value))
    else:
        return None
    return next((found for at, inner in steps if (found := repeating(inner, at)) is not None), None)


def refuse_constant(name: str) -> Never:
    """Refuse what JSON does not know, as NaN."""
    raise ProblemError("document", f"holds {name}, which is not a JSON number")
