"""A market of an earlier version: fields that it does not know yet are left out for it.

A field that a later version adds means, at its default, what was meant before. So where a market refuses
such a field as malformed, it is left out of what is said wherever it is at its default; with any other
value it is said, and the refusal stands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from takt_sdk.codec import decode_envelope
from takt_sdk.model.messages import Refused

Path = tuple[str, ...]
"""Names of fields from the body on; elements of a list are not told apart."""


class Unknown:
    """What one market was found not to know: nothing, until it refuses a field."""

    def __init__(self) -> None:
        self._left_out: dict[str, set[Path]] = {}

    def spelt(self, data: bytes) -> bytes:
        """Return a message as this market can read it."""
        if not self._left_out:
            return data
        document: dict[str, Any] = json.loads(data)
        paths = self._left_out.get(document["body"]["kind"])
        if not paths:
            return data
        body = decode_envelope(data).body
        for path in paths:
            if _is_default(body, path):
                _take_out(document["body"], path)
        return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()

    def learns(self, data: bytes, refused: Refused) -> bool:
        """Return whether a refusal names a field that can be left out from now on."""
        first, *names = refused.field.split(".")
        if refused.code != "malformed" or first != "body" or not names:
            return False
        body = decode_envelope(data).body
        path = tuple(name for name in names if not name.isdigit())
        if not path:
            return False
        known = self._left_out.setdefault(body.kind, set())
        if path in known or not _is_default(body, path):
            return False
        known.add(path)
        return True


def _is_default(value: object, names: Sequence[str]) -> bool:
    """Return whether a field has its default; in a list, in each of its elements."""
    if isinstance(value, tuple):
        return all(_is_default(one, names) for one in value)
    name, *more = names
    known = {one.name: one for one in fields(value)} if is_dataclass(value) else {}
    if name not in known:
        return False
    inner = getattr(value, name)
    return _is_default(inner, more) if more else bool(inner == known[name].default)


def _take_out(document: Any, path: Sequence[str]) -> None:  # noqa: ANN401 - JSON
    name, *more = path
    for one in document if isinstance(document, list) else [document]:
        if more:
            _take_out(one.get(name, []), more)
        else:
            one.pop(name, None)
