"""Values of the model as AAS submodel elements and back, by their dataclasses' own fields.

An integer or text is a Property, a dataclass a SubmodelElementCollection, a tuple a SubmodelElementList.
Units leave the name: ``_us`` becomes ``xs:dateTime``, ``_minor`` a decimal in the market's currency. Fields
that eclass knows carry its IRDI, others a URN. Elements are found by semantic id or by idShort.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from market.adapters.vdi2193.errors import NotUnderstoodError
from market.adapters.vdi2193.quantities import (
    instant_from_text,
    instant_to_text,
    money_from_text,
    money_to_text,
)
from takt_sdk.model.errors import ModelError

_Value = TypeVar("_Value")
Element = Mapping[str, Any]

URN = "urn:takt:v1:"
SEMANTIC_IDS: Mapping[str, tuple[str, ...]] = {
    "targetDate": ("0173-1#02-ABH165#002",),
    "latestDeliveryDateAssured": ("0173-1#02-ABH165#002",),
    "quantity": ("0173-1#02-AAR706#002",),
    "quantityUnit": ("0173-1#02-ABC475#003",),
    "priceNet": ("0173-1#02-BAF749#003", "0173-1#02-AAO822#002"),
    "priceGross": ("0173-1#02-AAQ214#002",),
    "currency": ("0173-1#02-AAO288#006",),
    "deliveryTerm": ("0173-1#02-AAX092#003",),
}
"""idShort → the eclass IRDIs that name it; the first is written."""

_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
_DURATIONS = frozenset({"run_time_us", "length_us"})


@dataclass(frozen=True, slots=True)
class _Field:
    """How one field of a dataclass is written, and what it is where it is left out (`MISSING`: an error)."""

    name: str
    id_short: str
    form: Literal["text", "integer", "boolean", "instant", "money", "record", "list"]
    item: Any
    absent: Any


@cache
def _fields(cls: type, names: tuple[tuple[str, str], ...]) -> tuple[_Field, ...]:
    hints = get_type_hints(cls)
    renamed = dict(names)
    found = []
    for field in fields(cls):
        type_ = hints[field.name]
        if field.name == "kind" and len(get_args(type_)) == 1:
            continue  # the frame's type says it
        optional = isinstance(type_, types.UnionType) or type(None) in get_args(type_)
        if optional:
            (type_,) = (part for part in get_args(type_) if part is not type(None))
        form, item = _form(field.name, type_)
        bare = field.name.removesuffix("_us").removesuffix("_minor")
        words = (bare if form in {"instant", "money"} else field.name).split("_")
        id_short = renamed.get(field.name, words[0] + "".join(word.title() for word in words[1:]))
        absent = field.default
        if absent is MISSING and (optional or form == "list"):
            absent = None if optional else ()
        found.append(_Field(field.name, id_short, form, item, absent))
    return tuple(found)


def _form(name: str, type_: Any) -> tuple[Any, Any]:  # noqa: ANN401 - types are values here
    if get_origin(type_) is tuple:
        return "list", get_args(type_)[0]
    if is_dataclass(type_):
        return "record", type_
    if type_ is bool:
        return "boolean", bool
    if type_ is int and name.endswith("_us") and name not in _DURATIONS:
        return "instant", int
    if type_ is int and name.endswith("_minor"):
        return "money", int
    return ("integer", int) if type_ is int else ("text", type_)


@dataclass(frozen=True, slots=True)
class Elements:
    """Writes and reads values in one currency.

    ``names`` renames fields: class name and field → idShort.
    """

    currency: str
    names: Mapping[str, Mapping[str, str]]

    # --- writing -----------------------------------------------------------------------------

    def written(self, value: object) -> list[Element]:
        """Return the elements of a dataclass's fields; None and nothing are left out."""
        elements = []
        for field in self._fields(type(value)):
            content = getattr(value, field.name)
            if content is not None and content != ():
                elements.append(self._element(field.id_short, field.form, content))
        return elements

    def _element(self, id_short: str, form: str, content: Any) -> Element:  # noqa: ANN401 - a field's value
        semantic = SEMANTIC_IDS.get(id_short, (URN + id_short,))[0] if id_short else ""
        head: dict[str, Any] = {"idShort": id_short} if id_short else {}
        if semantic:
            key = {"type": "GlobalReference", "value": semantic}
            head["semanticId"] = {"type": "ExternalReference", "keys": [key]}
        if form == "record":
            return {"modelType": "SubmodelElementCollection", **head, "value": self.written(content)}
        if form == "list":
            items = [self._element("", _form_of(item), item) for item in content]
            kind = {"typeValueListElement": items[0]["modelType"]}
            return {"modelType": "SubmodelElementList", **head, **kind, "value": items}
        value_type, text = self._text(form, content)
        return {"modelType": "Property", **head, "valueType": value_type, "value": text}

    def _text(self, form: str, content: Any) -> tuple[str, str]:  # noqa: ANN401 - a field's value
        match form:
            case "instant":
                return "xs:dateTime", instant_to_text(content)
            case "money":
                return "xs:decimal", money_to_text(content, self.currency)
            case "boolean":
                return "xs:boolean", "true" if content else "false"
            case "integer":
                return "xs:long", str(content)
        return "xs:string", content

    # --- reading -----------------------------------------------------------------------------

    def read(self, cls: type[_Value], elements: Sequence[Element], field: str) -> _Value:
        """Return a value from the elements of its fields; unknown and repeated elements are refused.

        Raises
        ------
        NotUnderstoodError
            Naming the element and its value.
        """
        known = self._fields(cls)
        values: dict[str, Any] = {}
        for index, element in enumerate(elements):
            matching = _match(element, known)
            path = f"{field}.{element.get('idShort') or f'[{index}]'}"
            if matching is None:
                raise NotUnderstoodError(path, element.get("value"), "is not an element of this message")
            if matching.name in values:
                raise NotUnderstoodError(path, element.get("value"), "is given twice")
            values[matching.name] = self._content(matching.form, matching.item, element, path)
        for one in known:
            if one.absent is not MISSING:
                values.setdefault(one.name, one.absent)
            elif one.name not in values:
                raise NotUnderstoodError(f"{field}.{one.id_short}", None, "is missing")
        try:
            return cls(**values)
        except ModelError as error:
            detail = f"{error.rule}: {error.detail}"
            raise NotUnderstoodError(f"{field}.{error.field}", error.value, detail) from error

    def _content(self, form: str, item: Any, element: Element, path: str) -> Any:  # noqa: ANN401
        value = element.get("value")
        if form == "record":
            return self.read(item, _sequence(path, value), path)
        if form == "list":
            inner, item_type = _form("", item)
            return tuple(
                self._content(inner, item_type, one, f"{path}[{index}]")
                for index, one in enumerate(_sequence(path, value))
            )
        if isinstance(value, bool):
            value = "true" if value else "false"
        if isinstance(value, int | float):
            value = repr(value)
        if not isinstance(value, str):
            raise NotUnderstoodError(path, value, "must be a Property with a value")
        return self._scalar(form, item, value, path)

    def _scalar(self, form: str, item: Any, text: str, path: str) -> object:  # noqa: ANN401 - a type
        match form:
            case "instant":
                return instant_from_text(path, text)
            case "money":
                return money_from_text(path, text, self.currency)
            case "boolean":
                if text not in {"true", "false", "1", "0"}:
                    raise NotUnderstoodError(path, text, "must be true or false")
                return text in {"true", "1"}
            case "integer":
                if not _INTEGER.fullmatch(text):
                    raise NotUnderstoodError(path, text, "must be an integer")
                return int(text)
        if get_origin(item) is Literal and text not in get_args(item):
            raise NotUnderstoodError(path, text, f"must be one of {', '.join(get_args(item))}")
        return text

    def _fields(self, cls: type) -> tuple[_Field, ...]:
        return _fields(cls, tuple(self.names.get(cls.__name__, {}).items()))


def _form_of(value: object) -> str:
    if is_dataclass(value):
        return "record"
    return "integer" if type(value) is int else "text"


def _sequence(path: str, value: object) -> Sequence[Element]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, dict) for item in value):
        raise NotUnderstoodError(path, value, "must be a list of elements")
    return value


def _match(element: Element, known: Sequence[_Field]) -> _Field | None:
    """Return the field that an element stands for: by its semantic id, else by its idShort."""
    semantic = semantic_id(element)
    for field in known:
        if semantic and semantic in (*SEMANTIC_IDS.get(field.id_short, ()), URN + field.id_short):
            return field
    return next((field for field in known if element.get("idShort") == field.id_short), None)


def semantic_id(element: Element) -> str:
    """Return an element's semantic id, empty if it has none."""
    reference = element.get("semanticId")
    keys = reference.get("keys") if isinstance(reference, dict) else None
    last = keys[-1] if isinstance(keys, list) and keys else None
    value = last.get("value") if isinstance(last, dict) else reference
    return value if isinstance(value, str) else ""
