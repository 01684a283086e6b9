"""The newest report of every instance, and who of them has opened a route (pure)."""

from collections.abc import Collection, Iterable, Iterator

from modelwire_router.readiness import Heard
from modelwire_schemas.fleet import FleetReport


class Reports:
    """The newest reports of a fleet; to find those of a route takes as long as it has instances."""

    def __init__(self, reports: Iterable[tuple[FleetReport, int]] = ()) -> None:
        self._newest: dict[str, Heard] = {}
        self._on_route: dict[str, dict[str, Heard]] = {}
        for report, at in reports:
            self.add(report, at)

    def __iter__(self) -> Iterator[tuple[FleetReport, int]]:
        return ((heard.report, heard.at) for heard in self._newest.values())

    def add(self, report: FleetReport, at: int) -> None:
        """Take a report in the place of the one that the instance made before."""
        before = self._newest.get(report.instance)
        if before is not None and before.at > at:
            return
        if report.goodbye or (before is not None and before.report.routes != report.routes):
            self.forget(report.instance)
        heard = self._newest[report.instance] = Heard.of(report, at, before)
        for route in () if report.goodbye else report.routes:
            self._on_route.setdefault(route, {})[report.instance] = heard

    def forget(self, instance: str) -> None:
        """Take an instance out, if it is there."""
        before = self._newest.pop(instance, None)
        for route in before.report.routes if before else ():
            self._on_route.get(route, {}).pop(instance, None)

    def of(self, route: str) -> Collection[Heard]:
        """Return the newest reports of who has opened a route and has not said goodbye."""
        return self._on_route.get(route, {}).values()
