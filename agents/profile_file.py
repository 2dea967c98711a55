"""Profiles as TOML files: what `takt join PROFILE` reads. Strict: nothing is guessed or converted.

The keys are the fields of `agents.profile`, plus ``role`` at the top. One documented example is
``docs/agents/plant.toml``.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from agents.profile import CustomerProfile, PlantProfile, Profile, SupplierProfile

_ROLES: Final[dict[str, type[Profile]]] = {
    "plant": PlantProfile,
    "supplier": SupplierProfile,
    "customer": CustomerProfile,
}


class _File(BaseModel):
    """One profile under its role; the configuration reaches the nested dataclasses."""

    model_config = ConfigDict(extra="forbid", strict=True)

    plant: PlantProfile | None = None
    supplier: SupplierProfile | None = None
    customer: CustomerProfile | None = None


class ProfileFileError(ValueError):
    """A profile file cannot be read.

    Attributes
    ----------
    source
        Name of the file.
    field
        Path of the offending key, e.g. ``work_centres[0].machines``; empty for the file as a whole.
    value
        The value as given.
    """

    def __init__(self, source: str, field: str, value: object, detail: str) -> None:
        self.source = source
        self.field = field
        self.value = value
        shown = repr(value)
        if len(shown) > 80:  # noqa: PLR2004 - a line of a terminal
            shown = shown[:77] + "..."
        where = f"{source}: {field}" if field else source
        super().__init__(f"{where}: {detail}; was {shown}")


def read_profile(path: Path) -> Profile:
    """Return the profile in a TOML file.

    Raises
    ------
    ProfileFileError
        If the file cannot be read, names an unknown key, or a value breaks a rule; it names both.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileFileError(str(path), "", path.name, f"cannot be read ({error})") from error
    return parse_profile(text, source=str(path))


def parse_profile(text: str, *, source: str = "profile") -> Profile:
    """Return the profile in TOML text; errors as in `read_profile`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileFileError(source, "", text[:40], f"is not TOML ({error})") from error
    role = document.pop("role", None)
    if not isinstance(role, str) or role not in _ROLES:
        raise ProfileFileError(source, "role", role, f"must be one of {', '.join(_ROLES)}")
    try:
        plain = json.dumps({role: document}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ProfileFileError(source, "", role, f"holds a value that no profile has ({error})") from error
    try:
        parsed = _File.model_validate_json(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ProfileFileError(source, _path(first["loc"][1:]), first["input"], first["msg"]) from error
    profile = parsed.plant or parsed.supplier or parsed.customer
    assert profile is not None, "a role's table is validated, so it is there"
    return profile


def format_profile(profile: Profile) -> str:
    """Return a profile as TOML text that `parse_profile` reads back to an equal profile."""
    role = next(word for word, kind in _ROLES.items() if isinstance(profile, kind))
    lines = [f"role = {json.dumps(role)}", *_table(profile, "")]
    return "\n".join(lines) + "\n"


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif path:
            path += f".{part}"
        else:
            path = part
    return path


def _table(value: Any, prefix: str) -> list[str]:  # noqa: ANN401 - any dataclass of a profile
    """Return the lines of a table: scalars first, then its sub-tables, as TOML demands."""
    lines: list[str] = []
    tables: list[str] = []
    for field in fields(value):
        item = getattr(value, field.name)
        name = f"{prefix}{field.name}"
        if item is None:
            continue
        if is_dataclass(item):
            tables += ["", f"[{name}]", *_table(item, f"{name}.")]
        elif isinstance(item, tuple) and item and is_dataclass(item[0]):
            for element in item:
                tables += ["", f"[[{name}]]", *_table(element, f"{name}.")]
        else:
            lines.append(f"{field.name} = {json.dumps(item, ensure_ascii=False)}")
    return lines + tables
