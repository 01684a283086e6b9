"""YAML of people is read as plain data, and never as a bomb."""

import pytest

from modelwire_publisher.plain_yaml import load, load_file
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
            b"a: !!python/object/apply:os.system [ls]\n", "E_YAML: could not determine", id="tag"
        ),
        pytest.param(b"a: 1\na: 2\n", "E_YAML: key 'a' stands twice, it, line 2", id="key-twice"),
        pytest.param(b"a: {b: 1, b: 2}\n", "E_YAML: key 'b' stands twice", id="inner-key-twice"),
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
