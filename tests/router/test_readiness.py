"""Who is counted ready: live incarnations that have read the document and hold the version warm."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from modelwire_router.readiness import HEARD_MS, Readiness, Why, named_by, readiness
from modelwire_router.reports import Reports
from modelwire_schemas.fleet import RESOURCE_FIRST, FleetReport, VersionReport
from tests.consumer_sdk.control.making import BEGIN, MODEL, ROUTE, change, served

NOW = BEGIN + 60_000
NAMED = 7


def report(
    instance: str, *versions: VersionReport, offset: int = NAMED, route: str = ROUTE
) -> FleetReport:
    return FleetReport(
        instance=instance,
        incarnation=instance[-1:],
        application="tests",
        namespace="default",
        host="here",
        pid=1,
        sdk="1",
        fold=1,
        offset=offset,
        state_hash="",
        horizon=0,
        stale_since=0,
        routes=(route,),
        versions=versions,
    )


def held(state: str, version: str = "2", *, code: str = "", detail: str = "") -> VersionReport:
    return VersionReport(MODEL, version, "", state, code, detail)


def asked(*reports: FleetReport, heard: int = NOW) -> Readiness:
    return among((r, heard) for r in reports)


def among(reports: Iterable[tuple[FleetReport, int]]) -> Readiness:
    return readiness(Reports(reports).of(ROUTE), MODEL, "2", NAMED, NOW)


@pytest.mark.parametrize("state", ["warm", "serving"])
def test_who_has_read_the_document_and_holds_the_version_warm_is_ready(state: str) -> None:
    assert asked(report("a", held(state))) == Readiness(("a",))


@pytest.mark.parametrize("state", ["probed", "loaded", "warm"])
def test_on_a_resource_first_instance_a_probed_version_is_ready(state: str) -> None:
    said = report("a", held(state))
    assert asked(replace(said, capabilities=(RESOURCE_FIRST,))).ready == ("a",)
    assert asked(said).ready == (("a",) if state == "warm" else ())
    verified = replace(report("a", held("verified")), capabilities=(RESOURCE_FIRST,))
    assert asked(verified).ready == ()


WAITS: dict[str, tuple[FleetReport, Why, str, str]] = {
    "fetching": (
        report("a", held("fetching", detail="62 %")),
        Why.ON_ITS_WAY,
        "",
        "fetching 62 %",
    ),
    "not asked for yet": (report("a"), Why.ON_ITS_WAY, "", "wanted"),
    "another version": (report("a", held("warm", "1")), Why.ON_ITS_WAY, "", "wanted"),
    "another model": (
        report("a", replace(held("warm"), model="other")),
        Why.ON_ITS_WAY,
        "",
        "wanted",
    ),
    "refused": (
        report("a", held("failed", code="E_DIGEST", detail="the bytes differ")),
        Why.REFUSED,
        "E_DIGEST",
        "the bytes differ",
    ),
    "warm of an earlier time": (
        report("a", held("warm"), offset=NAMED - 1),
        Why.BEHIND,
        "",
        "it has read up to control offset 6, not 7",
    ),
}


@pytest.mark.parametrize(("said", "why", "code", "detail"), WAITS.values(), ids=WAITS)
def test_who_waits_is_named_with_the_reason(
    said: FleetReport, why: Why, code: str, detail: str
) -> None:
    found = asked(said, report("b", held("warm")))
    (waits,) = found.waiting
    assert (waits.instance, waits.why, waits.code, waits.detail) == ("a", why, code, detail)
    assert (found.ready, found.share) == (("b",), 0.5)


def test_who_was_not_heard_of_is_told_and_not_counted() -> None:
    lost = [(report("a", held("warm")), NOW - HEARD_MS - 1)]
    live = [(report("b", held("warm")), NOW - HEARD_MS)]
    found = among(lost + live)
    assert (found.ready, found.waiting) == (("b",), ())
    assert [(w.instance, w.why, w.heard) for w in found.silent] == [
        ("a", Why.SILENT, NOW - HEARD_MS - 1)
    ]


def test_who_said_goodbye_or_has_not_opened_the_route_is_nobody() -> None:
    gone = replace(report("a", held("fetching")), goodbye=True)
    assert asked(gone, report("b", held("warm"), route="other")) == Readiness(())
    assert asked().share == 1.0


def test_a_member_that_restarted_is_not_ready_by_what_it_was_before() -> None:
    before, after = report("a1", held("warm")), report("a2", offset=-1)
    found = among([(before, NOW - 9000), (after, NOW)])
    assert (found.ready, [w.why for w in found.waiting]) == (("a1",), [Why.BEHIND])
    assert found.share == 0.5, "until the old one has been silent for its time"


def test_a_member_that_joins_late_counts_from_its_first_report_on() -> None:
    early, late = report("a", held("warm")), report("b")
    assert asked(early).share == 1.0
    assert asked(early, late).share == 0.5
    assert asked(early, report("b", held("warm"))).share == 1.0


def test_of_several_reports_of_one_instance_the_newest_holds() -> None:
    both = [(report("a", held("warm")), NOW), (report("a", held("fetching")), NOW - 100)]
    assert among(both).share == 1.0
    assert among(reversed(both)).share == 1.0


@pytest.mark.parametrize("change", ["state", "capability", "nothing"])
def test_what_an_instance_can_answer_is_what_it_reported_last(change: str) -> None:
    before = report("a", held("probed"))
    after = {
        "state": report("a", held("warm")),
        "capability": replace(before, capabilities=(RESOURCE_FIRST,)),
        "nothing": before,
    }[change]
    found = among([(before, NOW - 100), (after, NOW)])
    assert found.ready == (() if change == "nothing" else ("a",))


def test_a_version_is_named_since_the_first_of_the_newest_documents_that_name_it() -> None:
    book = served()

    def named(version: str) -> int:
        return named_by(book.state.routes[ROUTE], MODEL, version)

    first = book.state.routes[ROUTE].head.offset
    assert (named("1"), named("2")) == (first, first)
    prepared = book.must(change({"1": 10_000, "2": 0}, 1)).offset
    assert (named("1"), named("2"), named("3")) == (first, prepared, prepared)
    flipped = book.must(change("2", 2)).offset
    assert (named("1"), named("2"), named("3")) == (first, prepared, flipped)
    back = book.must(change("1", 3, at_once=True)).offset
    assert (named("1"), named("2"), named("3")) == (back, prepared, back)
    book.must(change("1", 4, at_once=True))
    assert (named("1"), named("2")) == (back, book.state.offset)
