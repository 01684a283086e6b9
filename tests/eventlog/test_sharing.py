"""How a group shares its partitions: evenly, completely, and moving as few as it can."""

from collections import Counter

from hypothesis import given, strategies as st

from modelwire_log.contract import Place
from modelwire_log.sharing import share_out

STREAMS = ("flights", "weather")
PLACES = [Place(stream, n) for stream in STREAMS for n in range(6)]
ALL = frozenset(STREAMS)

places = st.lists(st.sampled_from(PLACES), unique=True)
equal_members = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True).map(
    lambda names: dict.fromkeys(names, ALL)
)
members = st.dictionaries(
    st.sampled_from("abcdef"), st.sets(st.sampled_from(STREAMS)).map(frozenset), max_size=6
)
held = st.dictionaries(st.sampled_from(PLACES), st.sampled_from("abcdefgh"))

Members = dict[str, frozenset[str]]
Held = dict[Place, str]


@given(members, places, held)
def test_every_place_goes_to_one_who_asked_for_its_stream(
    members: Members, places: list[Place], held: Held
) -> None:
    heirs = share_out(members, places, held)
    asked = frozenset[str]().union(*members.values())
    assert set(heirs) == {place for place in places if place.stream in asked}
    assert all(place.stream in members[heir] for place, heir in heirs.items())


@given(equal_members, places, held)
def test_members_that_ask_for_the_same_have_the_same(
    members: Members, places: list[Place], held: Held
) -> None:
    load = Counter(share_out(members, places, held).values())
    sizes = [load[member] for member in members]
    assert max(sizes) - min(sizes) <= 1


@given(equal_members, places, held)
def test_only_what_is_too_much_moves(members: Members, places: list[Place], held: Held) -> None:
    heirs = share_out(members, places, held)
    living = Counter(held[p] for p in places if held.get(p) in members)
    moved = sum(1 for p in places if held.get(p) in members and heirs[p] != held[p])
    least, more = divmod(len(places), len(members))
    most = sorted(living.values(), reverse=True)
    fair = [least + 1] * more + [least] * len(members)
    assert moved == sum(max(has - may, 0) for has, may in zip(most, fair, strict=False))


@given(members, places, held)
def test_the_order_in_which_they_are_named_does_not_matter(
    members: Members, places: list[Place], held: Held
) -> None:
    again = dict(sorted(members.items(), reverse=True))
    assert share_out(again, places[::-1], held) == share_out(members, places, held)


@given(members, places, held)
def test_who_shares_out_again_changes_nothing(
    members: Members, places: list[Place], held: Held
) -> None:
    heirs = share_out(members, places, held)
    assert share_out(members, places, heirs) == heirs
