"""How the models of a rollout file say what is wrong: our codes, and several faults of one part."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeAlias, TypeVar, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails, PydanticCustomError

from modelwire_router.rollout_file.near import nearest
from modelwire_schemas.errors import Rejected

T = TypeVar("T")

MOST = 1000
"""Faults that are told of one part; nobody reads more, and a flood of them costs minutes."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a document cannot know by itself: the templates of all files, and the time (ms)."""

    templates: frozenset[str]
    now: int | None = None


class Wrong(NamedTuple):
    """A fault at a place below the part that is looked at."""

    place: tuple[str | int, ...]
    code: str
    what: str
    expected: str = ""
    todo: str = ""


Look: TypeAlias = Callable[[Mapping[str, Any]], Iterable[Wrong]]

ELSEWHERE = {
    "active": "write it as stable, in spec",
    "allowedLateness": "an event's own time decides, however late it comes",
    "autoPromotionEnabled": "it is called autoPromotion",
    "buckets": "a split always has 10,000 buckets",
    "cel": "no expressions on the event path: use matchExpressions",
    "environment": "it is called namespace",
    "experiment": "the end of an experiment is strategy.ab.endsAt",
    "failureCondition": "write max or min",
    "preload": "requireReady and readyDeadline say it",
    "preview": "write it as candidate, in spec",
    "scaleDownDelaySeconds": "it is called keepWarm",
    "set": "write it as candidate, in spec",
    "setWeight": "setWeight is a step of a canary",
    "status": "a file says what is wanted, never how it stands",
    "steps": "steps belong to a canary",
    "successCondition": "write max or min",
}
"""Words that people bring along, and what to write instead."""


class Part(BaseModel):
    """A mapping in a rollout file: nothing unknown in it, nothing guessed."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        alias_generator=to_camel,
        use_attribute_docstrings=True,
    )

    @classmethod
    def look(cls, said: Mapping[str, Any]) -> Iterable[Wrong]:
        """Return what is wrong between the fields, as they were written."""
        del said
        return ()

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, said: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return with_more(lambda raw: [*cls._unknown(raw), *cls.look(raw)], said, handler)

    @classmethod
    def _unknown(cls, said: Mapping[str, Any]) -> Iterator[Wrong]:
        known = [field.alias or name for name, field in cls.model_fields.items()]
        for key in said:
            if key not in known:
                todo = ELSEWHERE.get(key) or nearest(key, known)
                expected = f"one of {', '.join(known)}" if known else "nothing here"
                yield Wrong((key,), "E_UNKNOWN_FIELD", f"unknown field {key}", expected, todo)


def written(default: object) -> Any:  # noqa: ANN401 - a default of any field
    """Return the default of a field as a person writes it: `30m`, not 1,800,000."""
    return Field(default=default, validate_default=True)


def fault(code: str, what: str, expected: str = "", todo: str = "") -> PydanticCustomError:
    """Return what a validator raises: a fault with a code of ours."""
    # Pydantic fills braces of the template; what people wrote may have some.
    context = {"what": what, "expected": expected, "todo": todo}
    return PydanticCustomError(cast("Any", code), "{what}", context)


def ruled(rule: Callable[[Any], object]) -> BeforeValidator:
    """Return a validator that applies one of the project's own rules, which raise Rejected."""

    def apply(value: object) -> object:
        try:
            return rule(value)
        except Rejected as error:
            raise fault(error.code, error.what, error.expected, error.todo) from None

    return BeforeValidator(apply)


def given(info: ValidationInfo) -> Given:
    """Return what is known beside the document."""
    return cast("Given", info.context)


def fields(said: object) -> Mapping[str, Any]:
    """Return what was written if it is a mapping, else an empty one."""
    return cast("Mapping[str, Any]", said) if isinstance(said, dict) else {}


def items(said: object) -> Sequence[Any]:
    """Return what was written if it is a list, else an empty one."""
    return cast("Sequence[Any]", said) if isinstance(said, list) else ()


def with_more(look: Look, said: object, handler: ModelWrapValidatorHandler[T]) -> T:
    """Return the part, or raise its own faults together with those that `look` finds in it.

    Pydantic asks a validator of several fields only when each field is right; then a person would
    mend the fields first and hear of the rest later. `look` sees what was written, right or not.
    """
    raw = fields(said)
    more = [
        InitErrorDetails(
            type=fault(wrong.code, wrong.what, wrong.expected, wrong.todo),
            loc=wrong.place,
            input=raw,
        )
        for wrong in look(raw)
    ]
    try:
        part = handler(said)
    except ValidationError as error:
        # What is unknown is among our own faults, with what is near.
        lines = [line for line in error.errors() if line["type"] != "extra_forbidden"]
        told = [*map(_again, lines), *more][:MOST]
        raise ValidationError.from_exception_data(error.title, told) from None
    if more:
        raise ValidationError.from_exception_data("part", more)
    return part


def _again(error: Any) -> InitErrorDetails:  # noqa: ANN401 - pydantic's own
    """Return a line of an error, so that it can be raised together with others."""
    kind, context = error["type"], error.get("ctx", {})
    if not kind.startswith("E_"):
        context = {**context, "what": error["msg"]}
    return InitErrorDetails(
        type=PydanticCustomError(kind, "{what}", context), loc=error["loc"], input=error["input"]
    )
