"""Frozen dataclasses as JSON and back: what a probe is told, and what the cache remembers."""

import base64
import types
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import orjson

T = TypeVar("T")


def pack(value: object) -> bytes:
    """Return a dataclass as JSON; bytes become base64, paths and tuples what they look like."""
    return orjson.dumps(_plain(value))


def unpack(kind: type[T], content: bytes) -> T:
    """Return the dataclass `kind` that `content` describes.

    Raises ValueError when it describes none: it may be damaged, or of another version.
    """
    try:
        made: T = _typed(kind, orjson.loads(content))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no {kind.__name__}: {error}") from None
    return made


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in cast("tuple[object, ...]", value)]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value


def _typed(kind: Any, plain: Any) -> Any:  # noqa: ANN401 - it walks types at run time
    origin, inside = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _tuple(inside, plain)
    if origin in (types.UnionType, Union):
        return _one_of(inside, plain)
    if is_dataclass(kind):
        given = cast("Mapping[str, Any]", plain)
        return cast("Any", kind)(
            **{name: _typed(hint, given[name]) for name, hint in _hints(cast("type", kind)).items()}
        )
    if kind is bytes:
        return base64.b64decode(plain, validate=True)
    return _scalar(kind, plain)


def _tuple(inside: Sequence[Any], plain: Any) -> tuple[Any, ...]:  # noqa: ANN401
    if not isinstance(plain, list):
        raise TypeError(f"{plain!r} is no list")
    items = cast("list[object]", plain)
    if len(inside) == 2 and inside[1] is Ellipsis:
        return tuple(_typed(inside[0], item) for item in items)
    return tuple(_typed(kind, item) for kind, item in zip(inside, items, strict=True))


def _one_of(kinds: Sequence[Any], plain: Any) -> Any:  # noqa: ANN401
    if plain is None and type(None) in kinds:
        return None
    if isinstance(plain, dict):
        (kind,) = (kind for kind in kinds if is_dataclass(kind))
        return _typed(kind, plain)
    if type(plain) in kinds:
        return plain
    raise TypeError(f"{plain!r} is none of {kinds}")


def _scalar(kind: Any, plain: Any) -> Any:  # noqa: ANN401
    if kind is Path:
        return Path(plain)
    if kind is float and type(plain) is int:
        return float(plain)
    if type(plain) is not kind:
        raise TypeError(f"{plain!r} is no {kind}")
    return plain


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
