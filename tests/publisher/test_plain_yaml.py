"""YAML of people is read as plain data, and never as a bomb."""

import pytest

from modelwire_publisher.plain_yaml import Spot, load, load_file, read
from modelwire_schemas.errors import ModelwireError
from tests.publisher.conftest import Write

BOMB = b"a: &a [x, x]\n" + b"".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join(['*' + chr(97 + i)] * 9)}]\n".encode()
    for i in range(20)
)


def why_not(content: bytes) -> str:
    with pytest.raises(ModelwireError) as caught:
        load(content, where="it")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_plain_data_is_read() -> None:
    said = b"route: late\nweights: [1, 2.5, true, null]\nrules:\n  - name: 'no'\n"
    assert load(said, where="it") == {
        "route": "late",
        "weights": [1, 2.5, True, None],
        "rules": [{"name": "no"}],
    }


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(BOMB, "E_YAML: an alias", id="alias-bomb"),
        pytest.param(
            b"a: &x 1\nb: *x\n", "E_YAML: an alias (*) repeats a part, it, line 2", id="alias"
        ),
        pytest.param(
            b"a: !!python/object/apply:os.system [ls]\n",
            "E_YAML: a tag (tag:yaml.org,2002:python/object",
            id="tag",
        ),
        pytest.param(b"a: 1\na: 2\n", "E_YAML: key 'a' stands twice, it, line 2", id="key-twice"),
        pytest.param(b"a: {b: 1, b: 2}\n", "E_YAML: key 'b' stands twice", id="inner-key-twice"),
        pytest.param(
            b"7: a\n", 'E_YAML: key 7 is no text, it, line 1; expected "7"', id="number-key"
        ),
        pytest.param(b"? [a, b]\n: c\n", "E_YAML: a key is a list", id="list-as-key"),
        pytest.param(b"a: [1, 2\n", "E_YAML: ", id="half"),
        pytest.param(b"a:\n\t- b\n", "E_YAML: ", id="tab"),
        pytest.param(b"a: 1\n---\nb: 2\n", "E_YAML: ", id="two-documents"),
        pytest.param(b"[" * 50_000, "E_YAML: it is more than 32 levels deep", id="deep"),
        pytest.param(b"a: \xff\xfe\n", "E_YAML: the file is not text", id="no-text"),
        pytest.param(b"a: \x07\n", "E_YAML: ", id="control-character"),
        pytest.param(b"# " + b"x" * 300_000, "E_TOO_BIG", id="large"),
    ],
)
def test_what_is_not_plain_is_refused(content: bytes, why: str) -> None:
    assert why_not(content).startswith(why)


def test_a_file_tells_its_name_and_line(write: Write) -> None:
    path = write("a: 1\nb: 2\na: 3\n", "file.yaml")
    with pytest.raises(ModelwireError, match=r"file\.yaml, line 3"):
        load_file(path)


MANY = b"""\
a: &x [1, NO]
b: *x
b: 2
on: !!python/name:os.system {c: 3, c: 4}
? [e, f]
: *x
---
g: {h: 2026-12-01, i: "yes", j: 8.10}
k: [1
"""


def test_all_faults_come_at_once_each_with_its_place() -> None:
    _, faults = read(MANY, "it.yaml")
    assert [str(fault).partition(";")[0] for fault in faults] == [
        "it.yaml:2:4: E_YAML: an alias (*) repeats a part",
        "it.yaml:3:1: E_YAML: key 'b' stands twice",
        "it.yaml:4:1: E_YAML: key on is no text",
        "it.yaml:4:5: E_YAML: a tag (tag:yaml.org,2002:python/name:os.system)",
        "it.yaml:4:36: E_YAML: key 'c' stands twice",
        "it.yaml:5:3: E_YAML: a key is a list or a mapping",
        "it.yaml:6:3: E_YAML: an alias (*) repeats a part",
        "it.yaml:10:1: E_YAML: expected ',' or ']', but got '<stream end>'",
    ]


def test_documents_know_where_their_values_and_keys_stand() -> None:
    (first, second), faults = read(b"a: [1, NO]\n---\nb:\n  c: 2026-12-01\n  d: 'NO'\n", "it")
    assert faults == ()
    assert (first.value, second.value) == ({"a": [1, False]}, {"b": {"c": "2026-12-01", "d": "NO"}})
    assert first.values[("a", 1)] == Spot(1, 8, "NO")
    assert second.values[("b", "c")] == Spot(4, 6, "2026-12-01")
    assert second.values[("b", "d")] == Spot(5, 6)
    assert second.keys[("b", "d")] == Spot(5, 3)


def test_what_floods_is_refused_soon() -> None:
    for flood in (b"[" * 100_000, b"? " + b"[" * 100_000, b"{a: " * 50_000, b"- " * 100_000):
        assert "levels deep" in str(read(flood, "it")[1][-1])
