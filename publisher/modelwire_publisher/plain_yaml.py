"""YAML that people write, read as plain data: no aliases, no tags, no doubled keys, no floods."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from modelwire_publisher.staging import opened
from modelwire_schemas.errors import Rejected

MOST = 256 * 1024
"""Bytes of a file; one that people write has some hundred."""

DEEPEST = 32


def load_file(path: Path) -> object:
    """Return what a YAML file says; raises what `load` and opening a file raise."""
    with opened(path) as file:
        _check_size(file.size, str(path))
        content = path.read_bytes()
    return load(content, where=str(path))


def load(content: bytes, *, where: str) -> object:
    """Return what YAML says: mappings, lists, text, numbers, bool, null.

    Raises Rejected `E_YAML` with the line, `E_TOO_BIG`.
    """
    import yaml

    _check_size(len(content), where)
    try:
        text = content.decode("utf-8-sig")
        _check_events(text, where)
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None
        _check_keys(root, where)
        return cast("object", loader.construct_document(root))
    except UnicodeDecodeError:
        raise Rejected("E_YAML", "the file is not text", where=where, expected="UTF-8") from None
    except yaml.MarkedYAMLError as error:
        what = f"{error.problem or error.context}"
        raise _refused(what, where, error.problem_mark) from None
    except (yaml.YAMLError, ValueError) as error:
        raise _refused(str(error), where, None) from None


def _check_size(size: int, where: str) -> None:
    if size > MOST:
        raise Rejected(
            "E_TOO_BIG", f"the file has {size:,} bytes", where=where, expected=f"at most {MOST:,}"
        )


def _check_events(text: str, where: str) -> None:
    """Refuse what makes a small file large or deep, before anything is built from it."""
    import yaml

    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise _refused("an alias (*) repeats a part", where, event.start_mark)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise _refused(f"it is more than {DEEPEST} levels deep", where, event.start_mark)


def _check_keys(root: Any, where: str) -> None:  # noqa: ANN401 - yaml's nodes have no common type
    import yaml

    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in node.value]
            _check_names([key for key, _ in node.value], where)


def _check_names(keys: Sequence[Any], where: str) -> None:
    import yaml

    known: set[str] = set()
    for key in keys:
        if not isinstance(key, yaml.ScalarNode):
            raise _refused("a key is a list or a mapping", where, key.start_mark)
        if key.value in known:
            raise _refused(f"key {key.value!r} stands twice", where, key.start_mark)
        known.add(key.value)


def _refused(what: str, where: str, mark: Any) -> Rejected:  # noqa: ANN401
    line = f", line {mark.line + 1}" if mark is not None else ""
    return Rejected("E_YAML", what, where=f"{where}{line}", expected="plain YAML")
