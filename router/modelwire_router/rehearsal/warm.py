"""Versions for a rehearsal: brought as consumers bring them, held as long as they are used."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from typing import TypeAlias

from modelwire.config import Config
from modelwire.control.state import Release, State
from modelwire.loading.bring import Bringer
from modelwire.loading.cache import Cache
from modelwire.loading.formats import LoadOptions
from modelwire.loading.probe import Prober
from modelwire.loading.states import VersionState
from modelwire.serving.servable import Servable, servable_of
from modelwire_log.contract import Log
from modelwire_router.known import known_release
from modelwire_schemas.errors import Rejected

Tell: TypeAlias = Callable[[str], None]
"""Hears how far a version is: `flights-late 2: fetching 40 %`."""


def released(state: State, model: str, version: str) -> Release:
    """Return a release; raises NotFound `E_UNKNOWN_VERSION`, or Rejected `E_WITHDRAWN`."""
    release = known_release(state, model, version)
    if release.withdrawn:
        what = f"{model} {version} was withdrawn"
        raise Rejected("E_WITHDRAWN", what, todo="name another version")
    return release


@contextmanager
def warmed(log: Log, config: Config, tell: Tell) -> Generator[Callable[[Release], Servable]]:
    """Give what brings a release to warm: fetched, verified, probed and loaded, or refused.

    What it gives blocks, and raises ModelwireError with the code of the refusal. All versions are
    given back at the end.
    """
    cache, prober = Cache(config.cache), Prober(config.cache)
    options = LoadOptions(config.threads, config.allowed_models)
    bringer = Bringer(log, config.namespace, cache, prober, options)
    with ExitStack() as held, closing(prober):

        def warm(release: Release) -> Servable:
            held.enter_context(closing(cache.hold(release.artifact.digest)))

            def told(state: VersionState, detail: str = "") -> None:
                tell(f"{release.model} {release.version}: {state} {detail}")

            try:
                servable = servable_of(release, *bringer.prepare(release, told)())
            except Rejected as error:
                raise _named(error, release) from None
            held.callback(servable.model.close)
            return servable

        yield warm


def _named(error: Rejected, release: Release) -> Rejected:
    """Return a refusal with the version that is refused."""
    where = ", ".join(filter(None, (f"{release.model} {release.version}", error.where)))
    todo = error.todo or "mend the file and publish it as a new version"
    return Rejected(error.code, error.what, where=where, expected=error.expected, todo=todo)
