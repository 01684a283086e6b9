"""What is wrong with a document by pydantic, in our words and places (pure)."""

from collections.abc import Iterator, Mapping
from reprlib import repr as shown
from typing import Any

from pydantic import ValidationError

from modelwire_publisher.plain_yaml import Document, Spot, Steps
from modelwire_schemas.errors import Fault

_WANTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "finite_number": "a finite number",
    "float_type": "a number",
    "greater_than_equal": "{ge} or more",
    "int_from_float": "a whole number",
    "int_type": "a whole number",
    "less_than_equal": "{le} at most",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "string_type": "text",
    "enum": "{expected}",
    "too_long": "{max_length} at most",
    "too_short": "{min_length} at least",
}
_TEXTS = {"string_type", "E_NAME", "E_TEXT", "E_VERSION"}


def told(error: ValidationError, document: Document, file: str) -> Iterator[tuple[Steps, Fault]]:
    """Yield the faults of a document that does not fit its model, and the parts that have them."""
    for line in error.errors():
        if line["type"] == "none_required":
            continue  # the other half of a field that may be left out
        steps = _known(line["loc"], document)
        key = line["type"] == "E_UNKNOWN_FIELD" or "[key]" in line["loc"]
        spot = _spot(steps, document, key=key or line["type"] == "missing")
        yield steps, Fault(file, spot.line, spot.column, *_words(line, document.values.get(steps)))


def _known(loc: tuple[str | int, ...], document: Document) -> Steps:
    """Return the way to the part that is meant; pydantic names the alternatives it tried, too."""
    steps: Steps = ()
    for item in loc:
        if (*steps, item) in document.values:
            steps = (*steps, item)
    return steps


def _spot(steps: Steps, document: Document, *, key: bool) -> Spot:
    spot = document.values[steps]
    return document.keys.get(steps, spot) if key else spot


def _words(line: Any, spot: Spot | None) -> tuple[str, str, str, str]:  # noqa: ANN401 - pydantic's own
    """Return code, what, expected and todo."""
    kind: str = line["type"]
    context: Mapping[str, Any] = line.get("ctx", {})
    value: object = line["input"]
    if kind in _TEXTS and isinstance(value, bool | int | float) and spot is not None:
        code = kind if kind.startswith("E_") else "E_TEXT"
        what = f"{spot.text} is {'a bool' if isinstance(value, bool) else 'a number'}"
        return code, what, f'"{spot.text}"', "put it in quotes"
    if kind.startswith("E_"):
        return kind, context["what"], context["expected"], context["todo"]
    if kind == "missing":
        return "E_MISSING", f"no {line['loc'][-1]}", "", f"add {line['loc'][-1]}"
    what = "nothing" if value is None else shown(value)
    wanted = _WANTED.get(kind, f"{context.get('what', line['msg'])}").format_map(context)
    if kind in {"enum", "literal_error"}:
        return "E_WORD", what, wanted, ""
    code = "E_TEXT" if kind == "string_type" else "E_TYPE" if kind.endswith("_type") else "E_RANGE"
    return code, what, wanted, ""
