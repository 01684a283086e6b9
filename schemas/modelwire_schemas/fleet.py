"""What an instance says of itself: its versions, how fresh it is, and what went wrong."""

from dataclasses import dataclass

RESOURCE_FIRST = "resource-first"
"""The capability of an instance that may lack room for two versions: until its time comes, the
next one waits there verified and probed (R18)."""

CONTROLLER = "controller"
"""The application that a controller reports as, and the role in which it asks."""

RUN_OUT = "E_EXPIRED_RELEASE"
"""The code of a version that answers although its release has run out; it is no refusal."""


@dataclass(frozen=True, slots=True)
class VersionReport:
    """One version in one instance: its state, and the code and detail of a refusal (NACK).

    What goes on answering although its release has run out has the code RUN_OUT.
    """

    model: str
    version: str
    digest: str
    state: str
    code: str = ""
    detail: str = ""
    resident: int = 0


@dataclass(frozen=True, slots=True)
class FleetReport:
    """One instance's report, newest by instance on the `fleet` stream.

    `incarnation` differs from start to start. `offset` and `state_hash` say what it has folded;
    the hash is empty in a report of news. `horizon` (ms) up to which time its assignments are
    settled. `stale_since` is 0 when it is fresh. Bytes where bytes are meant, ms where times are.
    """

    instance: str
    incarnation: str
    application: str
    namespace: str
    host: str
    pid: int
    sdk: str
    fold: int
    offset: int
    state_hash: str
    horizon: int
    stale_since: int
    routes: tuple[str, ...] = ()
    versions: tuple[VersionReport, ...] = ()
    group: str = ""
    partitions: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    errors: tuple[tuple[str, int], ...] = ()
    predictions: int = 0
    resident: int = 0
    goodbye: bool = False
