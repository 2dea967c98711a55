"""Strict JSON: what two parsers could read differently is refused.

Refused are duplicate keys, lone surrogates, NUL, text that is not UTF-8 and nesting beyond
`MAX_DEPTH`. Numbers other than bounded integers become `NotAnInteger`, which no schema accepts, so
that the schema's error names the field. Holds no schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.errors import StrictJsonError

MAX_DEPTH = 16
_MAX_DIGITS = 19
_ESCAPED_HAZARD = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")
_UNENCODABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class NotAnInteger:
    """A number that the market has no use for: fractional, infinite, NaN or of too many digits."""

    text: str


def parse(body: bytes) -> object:
    """Return the value that ``body`` holds: dicts, lists, strings, integers, booleans, None, `NotAnInteger`.

    Raises
    ------
    StrictJsonError
        Naming the key or place.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"not UTF-8 at byte {error.start}") from None
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise StrictJsonError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise StrictJsonError(f"nested deeper than {MAX_DEPTH}") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _check_depth(value)
    if _ESCAPED_HAZARD.search(body) is not None:
        _check_text(value, "")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise StrictJsonError(f"the key {printable(key)} stands twice", field=printable(key))
            seen.add(key)
    return value


def _integer(text: str) -> int | NotAnInteger:
    return int(text) if len(text.lstrip("-")) <= _MAX_DIGITS else NotAnInteger(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=NotAnInteger, parse_constant=NotAnInteger
)


def _children(value: object) -> Sequence[tuple[str, object]]:
    if isinstance(value, dict):
        return [(str(key), child) for key, child in value.items()]
    if isinstance(value, list):
        return [(f"[{index}]", child) for index, child in enumerate(value)]
    return ()


def _check_depth(value: object) -> None:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for _, child in _children(parent)]
        if not level:
            return
    if any(isinstance(value, dict | list) for value in level):
        raise StrictJsonError(f"nested deeper than {MAX_DEPTH}")


def _check_text(value: object, path: str) -> None:
    if isinstance(value, str) and _UNENCODABLE.search(value) is not None:
        raise StrictJsonError(
            "holds NUL or half a surrogate pair", field=path or "body", value=printable(value)
        )
    for name, child in _children(value):
        if _UNENCODABLE.search(name) is not None:
            raise StrictJsonError("a key holds NUL or half a surrogate pair", field=printable(name))
        _check_text(child, join(path, name))


def join(path: str, name: str) -> str:
    """Return the path of a member: ``plan`` and ``lots`` make ``plan.lots``, then ``plan.lots[0]``."""
    return path + name if not path or name.startswith("[") else f"{path}.{name}"


def printable(value: object, limit: int = 100) -> str:
    """Return ``value`` as short text that any JSON reader takes."""
    if isinstance(value, NotAnInteger):
        text = value.text
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, default=lambda item: getattr(item, "text", type(item).__name__))
    if len(text) > limit:
        text = text[: limit - 3] + "..."
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\u0000")
