"""A predicate's tree as a flat list and back: Avro schemas here have no recursion."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modelwire_schemas.errors import Rejected
from modelwire_schemas.limits import MAX_DEPTH, MAX_NODES
from modelwire_schemas.release import Scalar
from modelwire_schemas.routing import All, Any, Clause, Not, Op, Predicate

GROUPS = {All: "all", Any: "any", Not: "not"}


@dataclass(frozen=True, slots=True)
class Node:
    """A node in pre-order: a group (`all`, `any`, `not`) of `parts` parts, or a clause."""

    op: str
    parts: int
    field: str = ""
    values: tuple[Scalar, ...] = ()


def flatten(predicate: Predicate | None) -> tuple[Node, ...]:
    """Return the nodes of `predicate` in pre-order; none for None.

    Raises Rejected `E_TOO_COMPLEX` above 64 nodes or a depth of 8.
    """
    if predicate is None:
        return ()
    nodes: list[Node] = []
    _flatten(predicate, 1, nodes)
    return tuple(nodes)


def restore(nodes: Sequence[Node]) -> Predicate | None:
    """Return the predicate whose nodes these are; the counterpart of `flatten`.

    Raises Rejected: `E_TOO_COMPLEX` as above, `E_PREDICATE` for nodes that form no single tree.
    """
    if not nodes:
        return None
    if len(nodes) > MAX_NODES:
        raise _too_complex()
    rest = iter(nodes)
    predicate = _restore(rest, 1)
    if next(rest, None) is not None:
        raise _no_tree("nodes are left over behind the tree")
    return predicate


def _flatten(predicate: Predicate, depth: int, nodes: list[Node]) -> None:
    if depth > MAX_DEPTH or len(nodes) >= MAX_NODES:
        raise _too_complex()
    if isinstance(predicate, Clause):
        nodes.append(Node(predicate.op.value, 0, predicate.field, predicate.values))
        return
    parts = (predicate.part,) if isinstance(predicate, Not) else predicate.parts
    nodes.append(Node(GROUPS[type(predicate)], len(parts)))
    for part in parts:
        _flatten(part, depth + 1, nodes)


def _restore(rest: Iterator[Node], depth: int) -> Predicate:
    if depth > MAX_DEPTH:
        raise _too_complex()
    node = next(rest, None)
    if node is None:
        raise _no_tree("nodes are missing")
    if node.op not in GROUPS.values():
        return _clause(node)
    if node.field or node.values or not 0 <= node.parts <= MAX_NODES:
        raise _no_tree(f"the group {node.op!r} is malformed")
    parts = tuple(_restore(rest, depth + 1) for _ in range(node.parts))
    if node.op == "all":
        return All(parts)
    if node.op == "any":
        return Any(parts)
    if len(parts) != 1:
        raise _no_tree(f"'not' has {len(parts)} parts")
    return Not(parts[0])


def _clause(node: Node) -> Clause:
    if node.parts:
        raise _no_tree(f"the clause {node.op!r} has parts")
    try:
        return Clause(node.field, Op(node.op), node.values)
    except ValueError:
        raise Rejected(
            "E_UNSUPPORTED", f"{node.op!r} is no comparison", expected=f"one of {', '.join(Op)}"
        ) from None


def _too_complex() -> Rejected:
    return Rejected(
        "E_TOO_COMPLEX",
        "the predicate is too large",
        expected=f"at most {MAX_NODES} nodes and {MAX_DEPTH} levels",
        todo="simplify it, or compute a field for it before the event is sent",
    )


def _no_tree(what: str) -> Rejected:
    return Rejected("E_PREDICATE", what, expected="one tree in pre-order")
