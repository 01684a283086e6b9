"""A predicate's tree survives its journey as a flat list, and no list becomes a false tree."""

import pytest
from hypothesis import given, strategies as st

from modelwire_schemas.errors import Rejected
from modelwire_schemas.limits import MAX_DEPTH, MAX_NODES
from modelwire_schemas.predicates import Node, flatten, restore
from modelwire_schemas.routing import All, Any, Clause, Not, Op, Predicate
from tests.schemas.strategies import predicates, words

LEAF = Clause("origin", Op.EXISTS)
FLAT = Node("Exists", 0, "origin")


def nested(depth: int) -> Predicate:
    predicate: Predicate = LEAF
    for _ in range(depth - 1):
        predicate = Not(predicate)
    return predicate


@given(st.none() | predicates())
def test_a_predicate_comes_back(predicate: Predicate | None) -> None:
    assert restore(flatten(predicate)) == predicate


def test_a_tree_is_written_a_group_first_then_its_parts() -> None:
    tree = All((Any((LEAF, LEAF)), Not(LEAF)))
    assert flatten(tree) == (
        Node("all", 2),
        Node("any", 2),
        FLAT,
        FLAT,
        Node("not", 1),
        FLAT,
    )


@given(
    st.lists(
        st.builds(
            Node,
            st.sampled_from(["all", "any", "not", *Op, "Regex"]),
            st.integers(-1, 3),
            st.just("") | words,
        ),
        min_size=1,
        max_size=8,
    )
)
def test_nodes_in_any_order_become_their_own_tree_or_none(nodes: list[Node]) -> None:
    try:
        tree = restore(nodes)
    except Rejected:
        return
    assert flatten(tree) == tuple(nodes)


def test_the_largest_predicates_travel_and_larger_ones_do_not() -> None:
    deep, wide = nested(MAX_DEPTH), All((LEAF,) * (MAX_NODES - 1))
    assert restore(flatten(deep)) == deep
    assert restore(flatten(wide)) == wide
    with pytest.raises(Rejected, match=r"^E_TOO_COMPLEX"):
        restore([Node("all", MAX_NODES), *[FLAT] * MAX_NODES])
    for too_large in (nested(MAX_DEPTH + 1), All((LEAF,) * MAX_NODES), nested(5_000)):
        with pytest.raises(Rejected, match=r"^E_TOO_COMPLEX: .*64 nodes and 8 levels"):
            flatten(too_large)


@pytest.mark.parametrize("count", [9, 64, 65, 20_000])
def test_a_long_chain_of_groups_is_refused_without_climbing_it(count: int) -> None:
    with pytest.raises(Rejected, match=r"^E_TOO_COMPLEX"):
        restore([Node("not", 1)] * count)


TREELESS = {
    "two trees": [FLAT, FLAT],
    "a part is missing": [Node("all", 2), FLAT],
    "a group of -1 parts": [Node("all", -1)],
    "a group of 2^40 parts": [Node("all", 2**40), FLAT],
    "not of two": [Node("not", 2), FLAT, FLAT],
    "not of none": [Node("not", 0)],
    "a group with a field": [Node("all", 1, "origin"), FLAT],
    "a group with values": [Node("any", 1, "", ("JFK",)), FLAT],
    "a clause with parts": [Node("Exists", 1, "origin"), FLAT],
}


@pytest.mark.parametrize("nodes", TREELESS.values(), ids=TREELESS)
def test_nodes_that_form_no_tree_are_refused(nodes: list[Node]) -> None:
    with pytest.raises(Rejected, match=r"^E_PREDICATE"):
        restore(nodes)


def test_an_unknown_comparison_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Rejected, match=r"^E_UNSUPPORTED: 'Regex' .*In, NotIn, Exists"):
        restore([Node("Regex", 0, "origin", ("J.*",))])
