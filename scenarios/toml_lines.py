"""Where in a TOML text a field stands, for error messages. Reads what `tomllib` has accepted already."""

from __future__ import annotations

import re

_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\"'-]+)\s*\]")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\"'-]+)\s*=")

_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")

Path = tuple[int | str, ...]


def path_of(field: str) -> Path:
    """Return the path of a field as messages write it, such as ``plants[0].cities``."""
    return tuple(int(index) if index else name for index, name in _STEP.findall(field))


def line_of(text: str, path: Path) -> int | None:
    """Return the number of the line, from 1, on which a field or the nearest thing around it is set."""
    best: tuple[int, int] | None = None
    table: Path = ()
    counts: dict[Path, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if (header := _HEADER.match(line)) is not None:
            table = _table(header[1] == "[[", _names(header[2]), counts)
            here = table
        elif (key := _KEY.match(line)) is not None:
            here = (*table, *_names(key[1]))
        else:
            continue
        depth = len(here)
        if path[:depth] == here and (best is None or depth > best[0]):
            best = depth, number
    return None if best is None else best[1]


def _names(dotted: str) -> Path:
    return tuple(name.strip("\"'") for name in dotted.split("."))


def _table(repeated: bool, names: Path, counts: dict[Path, int]) -> Path:  # noqa: FBT001
    """Return the path of a table, with the index of each array of tables on the way."""
    path: Path = ()
    for name in names[:-1]:
        path = (*path, name)
        if path in counts:
            path = (*path, counts[path])
    path = (*path, names[-1])
    if repeated:
        counts[path] = counts.get(path, -1) + 1
        path = (*path, counts[path])
    return path
