"""Events as plain data, for JSON and for people: bytes are only counted."""

from dataclasses import fields, is_dataclass
from typing import Any, cast


def plain(value: Any) -> Any:  # noqa: ANN401 - it walks dataclasses of any kind
    """Return a dataclass as mappings and lists; bytes become their number."""
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, tuple | list):
        return [plain(item) for item in cast("list[Any]", value)]
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return value
