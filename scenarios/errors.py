"""Errors of scenarios.

::

    ScenarioError(ValueError)       source, field, value
    ├── ScenarioFileError           a scenario file that cannot be read or breaks its schema
    ├── OrdersFileError             a line of an orders file, with its number
    ├── CsvTableError               a line of another table, with its number (`scenarios.imports`)
    └── MissingFactError            a fact that a scenario draws from and the tables do not hold
    RunError(TaktError)             a run that cannot go on
"""

from __future__ import annotations

from takt_sdk.errors import TaktError

MAX_SHOWN = 80


class ScenarioError(ValueError):
    """A scenario is wrong.

    Attributes
    ----------
    source
        File or table.
    field
        Path of the offending field, empty for the whole.
    value
        The value as given.
    """

    retryable = False

    def __init__(self, source: str, field: str, value: object, detail: str) -> None:
        self.source = source
        self.field = field
        self.value = value
        self.detail = detail
        shown = repr(value)
        if len(shown) > MAX_SHOWN:
            shown = shown[: MAX_SHOWN - 3] + "..."
        was = "" if isinstance(value, dict) else f"; was {shown}"  # a whole section says nothing
        super().__init__(f"{source}: {f'{field}: ' if field else ''}{detail}{was}")


class ScenarioFileError(ScenarioError):
    """A scenario or sweep file cannot be read, or a value in it breaks a rule.

    ``line`` counts from 1; None where the text is not at hand.
    """

    def __init__(
        self, source: str, field: str, value: object, detail: str, *, line: int | None = None
    ) -> None:
        self.line = line
        super().__init__(source if line is None else f"{source}, line {line}", field, value, detail)
        self.source = source


class OrdersFileError(ScenarioError):
    """A line of an orders file breaks a rule. ``line`` counts from 1, the header included."""

    def __init__(self, source: str, line: int, field: str, value: object, detail: str) -> None:
        self.line = line
        super().__init__(f"{source}, line {line}", field, value, detail)


class MissingFactError(ScenarioError):
    """No fact answers a question that a scenario asks."""


class RunError(TaktError):
    """A run cannot go on: something was refused that must not be, or somebody stays silent."""
