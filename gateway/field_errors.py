"""Failed validations in words for a client: which field, what its value was, what it must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.errors import ProblemError
from gateway.strict_json import join, printable

MAX_ERRORS = 20
_RULES = {
    "bool_type": "must be true or false",
    "dataclass_type": "must be an object",
    "dict_type": "must be an object",
    "extra_forbidden": "is not known here",
    "greater_than_equal": "must be at least {ge}",
    "int_type": "must be an integer",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list",
    "literal_error": "must be one of {expected}",
    "missing": "is required",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "must have at most {max_length} characters",
    "string_type": "must be text",
    "too_long": "must have at most {max_length} elements",
    "too_short": "must have at least {min_length} elements",
    "tuple_type": "must be a list",
    "unexpected_keyword_argument": "is not known here",
}
"""What pydantic's kinds of error say to a client."""


def content_problem(items: Sequence[Any], *, skip: int = 0) -> ProblemError:
    """Return the problem that a failed validation is.

    Parameters
    ----------
    items
        Errors as pydantic lists them.
    skip
        How many leading parts of each location do not belong to the field's name.
    """
    errors = []
    for item in items[:MAX_ERRORS]:
        path = ""
        for part in item["loc"][skip:]:
            path = join(path, f"[{part}]" if isinstance(part, int) else printable(part))
        field = path or "body"
        shown = "" if item["type"] == "missing" else printable(item["input"])
        rule = _RULES.get(item["type"])
        detail = rule.format(**item.get("ctx", {})) if rule else item["msg"].removeprefix("Value error, ")
        errors.append((field, shown, f"{field} {detail}"))
    field, value, detail = errors[0]
    return ProblemError("invalid_content", detail, field=field, value=value, errors=tuple(errors))
