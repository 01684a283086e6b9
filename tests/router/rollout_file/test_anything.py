"""Whatever stands in a rollout file: it is a plan, or its faults are told with their places."""

from pathlib import Path
from typing import Any, TypeAlias, cast

import yaml
from hypothesis import given, settings, strategies as st

from modelwire_publisher.plain_yaml import read
from modelwire_router.rollout_file.reading import rollouts
from modelwire_schemas.errors import Fault, RejectedFile

FOLDER = Path(__file__).parents[3] / "examples/flights/rollouts"
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.iterdir())]
WORDS = [
    "",
    "8",
    "ab",
    "canary",
    "10m",
    "2%",
    "event.a",
    "~",
    "NO",
    "{{",
    "%s",
    "2100-01-01T00:00Z",
]
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3)
    ),
    max_leaves=6,
)


Way: TypeAlias = tuple[Any, ...]


def ways(said: object, way: Way = ()) -> list[Way]:
    """Return the way to each part of a document."""
    return [way, *(found for key, part in below(said) for found in ways(part, (*way, key)))]


def below(said: object) -> list[tuple[Any, object]]:
    if isinstance(said, dict):
        return list(cast("dict[Any, object]", said).items())
    return list(enumerate(cast("list[object]", said))) if isinstance(said, list) else []


def with_other(said: Any, way: Way, other: object) -> Any:  # noqa: ANN401 - lists and mappings
    if not way:
        return other
    copy = said.copy()
    copy[way[0]] = with_other(said[way[0]], way[1:], other)
    return copy


@given(st.data())
@settings(max_examples=150)
def test_a_document_with_any_part_replaced_is_a_plan_or_its_faults(data: st.DataObject) -> None:
    said, _ = read(data.draw(st.sampled_from(TEXTS)).encode(), "late.yaml")
    documents = [document.value for document in said]
    way = data.draw(st.sampled_from(ways(documents)[1:]))
    text = yaml.safe_dump_all(with_other(documents, way, data.draw(VALUES)))
    check(text.encode())


@given(st.sampled_from(TEXTS), st.integers(0, 2000), st.binary(max_size=4))
@settings(max_examples=100)
def test_bytes_that_are_spoilt_are_a_plan_or_its_faults(text: str, at: int, by: bytes) -> None:
    content = text.encode()
    check(content[:at] + by + content[at + len(by) :])


def check(content: bytes) -> None:
    faults: tuple[Fault, ...] = ()
    try:
        rollouts([("late.yaml", content)], 0)
    except RejectedFile as error:
        faults = error.faults
    assert all(1 <= f.line <= len(content) and f.column >= 1 and f.what for f in faults)
