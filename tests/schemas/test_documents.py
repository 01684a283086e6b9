"""What a routing document says of its versions."""

from modelwire_schemas.routing import BUCKETS, RoutingDocument, Rule, Split, SplitBy, Variant


def document(*variants: Variant, by: SplitBy) -> RoutingDocument:
    return RoutingDocument("late", "late", (Rule("all", variants, Split(by)),))


def test_a_version_without_a_share_gets_no_event() -> None:
    held = document(Variant("next", "2"), Variant("now", "1", ((0, BUCKETS),)), by=SplitBy.KEY)
    assert (held.weighted(), held.sole_version()) == (("1",), "1")
    assert held.versions() == ("1", "2")


def test_the_last_variant_gets_the_partitions_that_nobody_lists_and_only_it() -> None:
    stable, by = Variant("stable", "1"), SplitBy.PARTITION
    held = document(Variant("candidate", "2"), stable, by=by)
    assert (held.weighted(), held.sole_version()) == (("1",), "1")
    moved = document(Variant("candidate", "2", (), (("flights", 0),)), stable, by=by)
    assert (moved.weighted(), moved.sole_version()) == (("2", "1"), None)
