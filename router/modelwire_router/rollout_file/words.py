"""Words of rollout files: percents, durations, times, versions; each is checked as it is read."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

from modelwire.routing.checks import MAX_SALT
from modelwire.routing.predicate import HEADER
from modelwire.routing.predicate_check import check_field
from modelwire_router.rollout_file.asking import fault, given, ruled
from modelwire_router.rollout_file.near import nearest
from modelwire_router.times import duration, moment
from modelwire_schemas import names
from modelwire_schemas.limits import MAX_WORD
from modelwire_schemas.routing import BUCKETS, LAYER

EVENT = "event."
_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)%", re.ASCII)


def _text(value: object, code: str, example: str) -> str:
    if isinstance(value, str):
        return value
    raise fault(code, f"{value!r} is no text", f'text, such as "{example}"')


def _duration(value: object) -> int:
    return duration(_text(value, "E_DURATION", "10m"))


def _percent(value: object) -> int:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else "none"
    try:
        buckets = Decimal(str(number)) * (BUCKETS // 100)
    except InvalidOperation:
        raise fault("E_WEIGHT", f"{value!r} is no percent", "a number from 0 to 100") from None
    if not 0 <= buckets <= BUCKETS or buckets != int(buckets):
        raise fault("E_WEIGHT", f"{value} percent", "0 to 100, with at most two decimals")
    return int(buckets)


def _share(value: object) -> float:
    said = _text(value, "E_SHARE", "90%")
    found = _SHARE.fullmatch("100%" if said == "all" else said)
    if found is None or not 0 < float(found[1]) <= 100:
        raise fault("E_SHARE", f"{said!r} is no share of the fleet", "all, or 90%")
    return float(found[1]) / 100


def _salt(value: object) -> str:
    said = _text(value, "E_SALT", "late-2026-12")
    if said.startswith(LAYER):
        todo = f"write layer: {{name: {said.removeprefix(LAYER)}, …}}"
        raise fault("E_SALT", f"salt {said!r} is a layer's", "a salt of its own", todo)
    if not said or "|" in said or not names.printable(said) or len(said) > MAX_SALT:
        raise fault(
            "E_SALT",
            f"salt {said!r}",
            f"1 to {MAX_SALT} printable characters without a |",
            "choose another salt",
        )
    return said


def _line(value: object) -> str:
    said = _text(value, "E_TEXT", "some words")
    if not said or not names.printable(said) or len(said) > 4096:
        raise fault("E_TEXT", f"{said[:40]!r}", "1 to 4096 printable characters, one line")
    return said


def _output(value: object) -> str:
    said = _text(value, "E_OUTPUT", "late")
    if not said or not names.printable(said) or len(said) > MAX_WORD:
        raise fault(
            "E_OUTPUT", f"output {said[:40]!r}", f"1 to {MAX_WORD} printable characters, one line"
        )
    return said


def _url(value: object) -> str:
    said = _line(value)
    try:
        parts = urlsplit(said)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise fault("E_URL", f"{said!r} is no address", "http://host:port/path, or https")
    return said


def _key(value: object) -> str:
    """Return a field as the log has it: `tailnum`, `header.x-staff`."""
    said = _text(value, "E_FIELD", "event.tailnum")
    if not said.startswith((EVENT, HEADER)):
        raise fault(
            "E_FIELD", f"{said!r} is neither a field nor a header", f"event.{said} or header.{said}"
        )
    header = said.startswith(HEADER)
    check_field("header" if header else "field", said.removeprefix(HEADER).removeprefix(EVENT))
    return said if header else said.removeprefix(EVENT)


def _event_field(value: object) -> str:
    said = _key(value)
    if said.startswith(HEADER):
        raise fault("E_FIELD", f"{said!r} is a header", "a field of the event: event.tailnum")
    return said


def _header(value: object) -> str:
    said = _text(value, "E_FIELD", "x-version").removeprefix(HEADER)
    check_field("header", said)
    return said


def _time(value: object) -> int:
    return moment(_text(value, "E_TIME", "2026-12-01T00:00:00Z"))


def _known(value: str, info: ValidationInfo) -> str:
    templates = given(info).templates
    if value not in templates:
        raise fault(
            "E_TEMPLATE",
            f"there is no AnalysisTemplate {value}",
            f"one of {', '.join(sorted(templates))}" if templates else "one in these files",
            nearest(value, templates) or "write it into one of the files, or mend the name",
        )
    return value


def _coming(value: int, info: ValidationInfo) -> int:
    now = given(info).now
    if now is not None and value <= now:
        raise fault("E_SCHEDULE", "the time is in the past", "a time to come", "mend the time")
    return value


def _schema(kind: str, description: str, **more: Any) -> WithJsonSchema:  # noqa: ANN401
    return WithJsonSchema({"type": kind, "description": description, **more})


Name = Annotated[
    str,
    ruled(lambda value: names.name("name", value)),
    _schema("string", "A name.", pattern=f"^{names.PATTERN.pattern}$"),
]
Version = Annotated[
    str,
    ruled(names.version),
    _schema("string", "A version, in quotes.", pattern=f"^{names.VERSION_PATTERN.pattern}$"),
]
Duration = Annotated[
    int,
    ruled(_duration),
    _schema(
        "string",
        "A duration: 10m, 1h30m, 500ms.",
        pattern=r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$",
    ),
]
Percent = Annotated[
    int,
    BeforeValidator(_percent),
    _schema("number", "Percent, at most two decimals.", minimum=0, maximum=100),
]
Share = Annotated[
    float,
    BeforeValidator(_share),
    _schema(
        "string", "A share of the fleet: all, or 90%.", pattern=r"^(all|\d{1,3}(\.\d{1,2})?%)$"
    ),
]
Salt = Annotated[
    str,
    BeforeValidator(_salt),
    _schema("string", "What the draw is mixed with.", minLength=1, maxLength=MAX_SALT),
]
Line = Annotated[str, BeforeValidator(_line), _schema("string", "A line of text.", minLength=1)]
OutputName = Annotated[
    str,
    BeforeValidator(_output),
    _schema("string", "The name of an output.", minLength=1, maxLength=MAX_WORD),
]
Url = Annotated[
    str, BeforeValidator(_url), _schema("string", "An http or https address.", format="uri")
]
Key = Annotated[
    str,
    ruled(_key),
    _schema("string", "event.FIELD or header.NAME.", pattern=r"^(event|header)\."),
]
EventField = Annotated[
    str, ruled(_event_field), _schema("string", "event.FIELD.", pattern=r"^event\.")
]
Header = Annotated[str, ruled(_header), _schema("string", "The name of a header.")]
Time = Annotated[
    int,
    ruled(_time),
    AfterValidator(_coming),
    _schema("string", "A time with its zone: 2026-12-01T00:00:00Z.", format="date-time"),
]
TemplateName = Annotated[Name, AfterValidator(_known)]
