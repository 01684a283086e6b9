"""The JSON Schema of rollout files, so that editors complete and check them (pure)."""

from typing import Annotated, Any, cast

from pydantic import Field, TypeAdapter

from modelwire_router.rollout_file.rollout import Rollout
from modelwire_router.rollout_file.template import AnalysisTemplate

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of one document: a Rollout or an AnalysisTemplate."""
    either = Annotated[Rollout | AnalysisTemplate, Field(discriminator="kind")]
    made = cast("dict[str, Any]", _told(TypeAdapter(either).json_schema()))
    return {"$schema": DIALECT, "title": "A document of a modelwire rollout file", **made}


def _told(part: object) -> object:
    """Return a part without what says nothing: defaults of null, titles made from names."""
    if isinstance(part, list):
        return [_told(item) for item in cast("list[object]", part)]
    if not isinstance(part, dict):
        return part
    said = cast("dict[str, object]", part)
    return {
        key: _told(value)
        for key, value in said.items()
        if key != "title" and (key, value) != ("default", None)
    }
