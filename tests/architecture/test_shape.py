"""Every file can be read in one go, and says at its top what it holds."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.sources import Source, product, scripts, suite

MOST_LINES_A_FILE = 400
MOST_LINES_A_FUNCTION = 50


def each(*groups: tuple[Source, ...]) -> pytest.MarkDecorator:
    sources = [source for group in groups for source in group]
    return pytest.mark.parametrize("source", sources, ids=[source.path for source in sources])


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@each(product(), scripts(), suite())
def test_a_module_opens_with_a_sentence(source: Source) -> None:
    docstring = ast.get_docstring(source.tree) or ""
    opening = docstring.split("\n\n")[0]
    assert opening.endswith((".", ":")), f"{source.path} opens with {opening!r}"


@each(product(), scripts())
def test_a_file_can_be_read_in_one_go(source: Source) -> None:
    lines = source.text.count("\n")
    assert lines <= MOST_LINES_A_FILE, f"{source.path} has {lines} lines"


@each(product(), scripts())
def test_a_function_fits_on_a_screen(source: Source) -> None:
    long = [
        f"{source.path}:{node.lineno} {node.name}"
        for node in functions(source.tree)
        if (node.end_lineno or node.lineno) - _begin(node) >= MOST_LINES_A_FUNCTION
    ]
    assert long == []


def _begin(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the line where the doing begins: behind arguments and docstring."""
    told = node.body[1:] if ast.get_docstring(node) else node.body
    return told[0].lineno if told else node.end_lineno or node.lineno


LATE = "consumer_sdk/modelwire/__init__.py"
"""The one file that names types which it loads at first use: decision 3."""


@each(product(), scripts(), suite())
def test_no_import_is_hidden_from_the_running_program(source: Source) -> None:
    if source.path == LATE:
        return
    hidden = [node for node in ast.walk(source.tree) if _is_type_checking(node)]
    assert hidden == [], f"{source.path} imports for the type checker only"


def _is_type_checking(node: ast.AST) -> bool:
    match node:
        case ast.Name(id="TYPE_CHECKING") | ast.Attribute(attr="TYPE_CHECKING"):
            return True
        case ast.alias(name="TYPE_CHECKING"):
            return True
        case _:
            return False
