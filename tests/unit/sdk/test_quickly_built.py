"""Values that are built through their slots are the values that they were: same arguments, as frozen."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from takt_sdk.model.errors import OutOfRangeError
from takt_sdk.model.order import OrderTerms
from takt_sdk.model.quickly_built import quickly_built
from takt_sdk.model.values import check_int


@dataclass(frozen=True, slots=True)
class Plain:
    """A value with fields of every kind."""

    first: int
    second: str = "two"
    third: int = field(default=3, kw_only=True)

    def __post_init__(self) -> None:
        check_int("first", self.first, 0, 9)


@quickly_built
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, built through its slots."""

    first: int
    second: str = "two"
    third: int = field(default=3, kw_only=True)

    def __post_init__(self) -> None:
        check_int("first", self.first, 0, 9)


def test_it_takes_the_arguments_that_it_took() -> None:
    wanted, found = inspect.signature(Plain), inspect.signature(Quick)
    assert [(one.name, one.kind, one.default) for one in found.parameters.values()] == [
        (one.name, one.kind, one.default) for one in wanted.parameters.values()
    ]
    assert repr(Quick(1, third=5)) == repr(Plain(1, third=5)).replace("Plain", "Quick")
    with pytest.raises(TypeError):
        Quick()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        Quick(1, fourth=4)  # type: ignore[call-arg]


def test_it_is_as_frozen_as_before_and_still_checks_itself() -> None:
    value = Quick(1)
    with pytest.raises(FrozenInstanceError):
        value.first = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del value.first
    with pytest.raises(OutOfRangeError):
        Quick(10)
    with pytest.raises(OutOfRangeError):
        replace(value, first=10)


def test_it_compares_copies_and_travels() -> None:
    value = Quick(1, "x", third=7)
    assert value == replace(Quick(2, "x", third=7), first=1) == copy.deepcopy(value)
    assert hash(value) == hash(Quick(1, "x", third=7))
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - our own
    assert OrderTerms.__init__.__qualname__ == "OrderTerms.__init__"


def test_a_default_factory_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Listed\.rows has a default factory"):

        @quickly_built
        @dataclass(frozen=True, slots=True)
        class Listed:
            rows: list[int] = field(default_factory=list)
