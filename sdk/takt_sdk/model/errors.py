"""Errors of the model: one class per rule that a value can break.

::

    ModelError(ValueError)          field, value
    ├── InvalidIdError              an id outside its alphabet or length
    ├── InvalidKeyError             text that is no public key
    ├── OutOfRangeError             an integer outside its range
    ├── NotAnIntegerError           a float, bool or other type where an integer is due
    ├── InvalidWindowError          a window that ends before it starts
    ├── InvalidChoiceError          a word that is not one of those allowed
    ├── DuplicateIdError            the same id twice where ids are unique
    ├── UnknownReferenceError       an id that names nothing
    ├── EmptyError                  nothing where something is due
    ├── TooManyError                more elements than the limit
    ├── ColumnLengthError           columns of one table that differ in length
    ├── CyclicPlanError             a process plan that is not a DAG
    ├── UnreachableLotError         a lot whose output goes nowhere
    └── IndivisibleFlowError        quantities of an arc that cannot be split evenly
"""

from __future__ import annotations

_SHOWN_CHARS = 80


class ModelError(ValueError):
    """A value breaks a rule of the model.

    Attributes
    ----------
    field
        Path of the offending field, e.g. ``bids.item_lot[3]``.
    value
        The value as given.
    """

    rule = "is invalid"
    retryable = False

    def __init__(self, field: str, value: object, detail: str = "") -> None:
        self.field = field
        self.value = value
        self.detail = detail
        shown = repr(value)
        if len(shown) > _SHOWN_CHARS:
            shown = shown[: _SHOWN_CHARS - 3] + "..."
        super().__init__(f"{field} {self.rule}{': ' + detail if detail else ''}; was {shown}")

    @property
    def code(self) -> str:
        """The name of the rule in snake case, stable on the wire."""
        name = type(self).__name__.removesuffix("Error")
        return "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


class InvalidIdError(ModelError):
    """An id is outside its alphabet or length."""

    rule = "is not a valid id"


class InvalidKeyError(ModelError):
    """Text is not a public key."""

    rule = "is not a public key"


class OutOfRangeError(ModelError):
    """An integer is outside its range."""

    rule = "is out of range"


class NotAnIntegerError(ModelError):
    """A value that must be an integer is something else."""

    rule = "must be an integer"


class InvalidWindowError(ModelError):
    """A half-open window does not end after it starts."""

    rule = "must end after it starts"


class InvalidChoiceError(ModelError):
    """A word is not one of those allowed."""

    rule = "is not one of the allowed values"


class DuplicateIdError(ModelError):
    """An id stands twice where ids are unique."""

    rule = "is given twice"


class UnknownReferenceError(ModelError):
    """An id names nothing that exists."""

    rule = "is unknown"


class EmptyError(ModelError):
    """Something is missing where at least one is due."""

    rule = "must not be empty"


class TooManyError(ModelError):
    """A list is longer than its limit."""

    rule = "has too many elements"


class ColumnLengthError(ModelError):
    """A column's length does not match its table."""

    rule = "has the wrong length"


class CyclicPlanError(ModelError):
    """The arcs of a process plan form a cycle."""

    rule = "must be acyclic"


class UnreachableLotError(ModelError):
    """The output of a lot goes nowhere."""

    rule = "does not lead to the customer"


class IndivisibleFlowError(ModelError):
    """The quantities at the ends of an arc cannot be split evenly."""

    rule = "cannot be split evenly"
