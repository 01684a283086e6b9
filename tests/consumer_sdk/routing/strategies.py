"""Random weights, documents and events that the routing's own checks accept."""

from itertools import pairwise

from hypothesis import strategies as st

from modelwire.routing.keys import Coordinates
from modelwire.routing.ranges import Weight
from modelwire_schemas.routing import (
    BUCKETS,
    All,
    Any,
    Clause,
    Not,
    Op,
    Predicate,
    RoutingDocument,
    Rule,
    Split,
    SplitBy,
    Variant,
)

MOST_VARIANTS = 8


def shares(size: int) -> st.SearchStrategy[list[int]]:
    """Return `size` counts of buckets that are 10,000 together; some may be 0."""
    cuts = st.lists(st.integers(0, BUCKETS), min_size=size - 1, max_size=size - 1).map(sorted)
    return cuts.map(lambda at: [end - start for start, end in pairwise([0, *at, BUCKETS])])


@st.composite
def weights(draw: st.DrawFn, most: int = MOST_VARIANTS) -> list[Weight]:
    """Return what somebody may wish for: names from a few, versions from a few."""
    names = draw(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=most, unique=True))
    counts = draw(shares(len(names)))
    return [
        (name, draw(st.sampled_from("12345")), count)
        for name, count in zip(names, counts, strict=True)
    ]


@st.composite
def variants(draw: st.DrawFn) -> tuple[Variant, ...]:
    """Return variants over scattered ranges: no hand wrote them, and no `reweigh`."""
    cuts = draw(st.lists(st.integers(1, BUCKETS - 1), max_size=8, unique=True).map(sorted))
    owners = draw(st.integers(1, 4))
    ranges: list[list[tuple[int, int]]] = [[] for _ in range(owners)]
    for start, end in pairwise([0, *cuts, BUCKETS]):
        ranges[draw(st.integers(0, owners - 1))].append((start, end))
    return tuple(
        Variant("abcd"[i], draw(st.sampled_from("123")), tuple(ranges[i])) for i in range(owners)
    )


TOPICS = ("flights", "weather")
pairs = st.tuples(st.sampled_from(TOPICS), st.integers(0, 2))


@st.composite
def listed(draw: st.DrawFn) -> tuple[Variant, ...]:
    """Return variants that list partitions, none of them twice."""
    some = draw(st.lists(pairs, max_size=6, unique=True))
    owners = draw(st.integers(1, 3))
    of = [draw(st.integers(0, owners - 1)) for _ in some]
    return tuple(
        Variant("abc"[i], "123"[i], (), tuple(p for p, o in zip(some, of, strict=True) if o == i))
        for i in range(owners)
    )


clauses = st.one_of(
    st.builds(
        Clause,
        st.sampled_from(("tier", "header.tier")),
        st.sampled_from((Op.IN, Op.NOT_IN)),
        st.sampled_from((("gold",), ("gold", "staff"))),
    ),
    st.builds(Clause, st.just("tier"), st.sampled_from((Op.EXISTS, Op.DOES_NOT_EXIST))),
    st.builds(Clause, st.just("tier"), st.just(Op.PREFIX), st.just(("g",))),
    st.builds(
        Clause,
        st.sampled_from(("delay", "header.delay")),
        st.sampled_from((Op.IN, Op.NOT_IN, Op.GT, Op.LT, Op.GE, Op.LE)),
        st.just((15,)),
    ),
)


def predicates(depth: int = 3) -> st.SearchStrategy[Predicate]:
    """Return conditions on the events below."""
    if depth == 1:
        return clauses
    parts = predicates(depth - 1)
    some = st.lists(parts, min_size=1, max_size=3).map(tuple)
    return st.one_of(clauses, st.builds(All, some), st.builds(Any, some), st.builds(Not, parts))


@st.composite
def rules(draw: st.DrawFn, name: str, *, last: bool) -> Rule:
    """Return a rule with any split."""
    by = draw(st.sampled_from(SplitBy))
    field = draw(st.sampled_from(("", "tail"))) if by is SplitBy.KEY else ""
    split = Split(by, draw(st.sampled_from(("", "s", "salt-2026"))), field)
    sides = draw(listed() if by is SplitBy.PARTITION else variants())
    return Rule(name, sides, split, None if last else draw(predicates()))


@st.composite
def documents(draw: st.DrawFn) -> RoutingDocument:
    """Return a document of one to three rules."""
    size = draw(st.integers(1, 3))
    return RoutingDocument(
        "flights-late",
        "late",
        tuple(draw(rules(f"rule-{i}", last=i == size - 1)) for i in range(size)),
        keep_warm=draw(st.sampled_from(((), ("9",)))),
        force_header=draw(st.sampled_from(("", "x-version"))),
    )


LONE_SURROGATE = "N1\ud800"

keys = st.one_of(
    st.none(),
    st.text(st.characters(codec="utf-8"), max_size=5),
    st.binary(max_size=5),
    st.integers(),
    st.sampled_from((True, 1.5, LONE_SURROGATE)),
)
coordinates: st.SearchStrategy[Coordinates | None] = st.none() | st.tuples(
    st.sampled_from(TOPICS), st.integers(0, 3), st.integers(0, 99)
)
bodies: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {},
    optional={
        "tier": st.sampled_from(("gold", "free", "staff", None, 5, ("gold",))),
        "delay": st.sampled_from((14, 15, 15.5, float("nan"), True, "16", None)),
        "tail": keys,
    },
)
headers: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {},
    optional={
        "tier": st.sampled_from(("gold", b"gold", b"\xff", "free")),
        "delay": st.sampled_from(("15", b"16", b"late")),
        "x-version": st.sampled_from(("1", b"2", b"9", b"no-such", b"\xff", 1)),
    },
)
plain_bodies: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {"tier": st.sampled_from(("gold", "free", "staff")), "tail": st.text("ab\0", max_size=3)}
)
