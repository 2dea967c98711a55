"""The plainest value of a wire type: every field filled, every tuple with one element."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from takt_sdk.model.errors import ModelError
from tests.signers import signer_of


def plain(kind: type[Any]) -> Any:  # noqa: ANN401 - a value of ``kind``
    """Return an instance of a dataclass whose fields are all set."""
    hints = get_type_hints(kind)
    values = {
        field.name: field.default
        if field.name == "kind" and field.default is not MISSING
        else _value(field.name, hints[field.name])
        for field in fields(kind)
    }
    while True:
        try:
            return kind(**values)
        except ModelError as error:  # fields that exclude each other: the one named is left empty
            name = error.field.partition("[")[0].partition(".")[0]
            empty = type(values[name])()
            if values[name] == empty:
                raise
            values[name] = empty


def _value(name: str, annotation: Any) -> Any:  # noqa: ANN401
    if is_dataclass(annotation):
        return plain(annotation)  # type: ignore[arg-type]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return arguments[0]
    if origin in {Union, types.UnionType}:
        return _value(name, next(one for one in arguments if one is not type(None)))
    if origin is tuple:
        inner = arguments if arguments[-1] is not Ellipsis else arguments[:1]
        return tuple(_value(name, one) for one in inner)
    if annotation is bool:
        return True
    if annotation is int:
        return 9 if name.startswith(("end", "due", "deadline")) else 1
    assert annotation is str, (name, annotation)
    if any(word in name for word in ("digest", "commitment", "sha256")):
        return "ab" * 32
    return signer_of("ada").key if "key" in name else "mill-a"
