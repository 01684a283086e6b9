"""Taking a version back: no document may name it any more."""

from dataclasses import replace

from modelwire.control.commands import me, rehearse, submit
from modelwire.control.reading import fold_log
from modelwire_log.contract import Log
from modelwire_publisher.order import WithdrawnRelease
from modelwire_schemas import names
from modelwire_schemas.errors import NotFound
from modelwire_schemas.release import ReleaseWithdrawn


def withdrawn(
    log: Log,
    namespace: str,
    model: str,
    version: str,
    *,
    reason: str,
    author: str | None,
    idempotency_key: str | None,
    timeout: float,
) -> WithdrawnRelease:
    """Withdraw a version; see `modelwire_publisher.withdraw`."""
    names.name("namespace", namespace)
    body = ReleaseWithdrawn(names.name("model", model), names.version(version))
    by = me(reason, role="publisher", cause="publisher")
    by = replace(by, author=author) if author else by
    state = fold_log(log, namespace, timeout=timeout)
    known = state.release(model, version)
    if known is None:
        versions = ", ".join(state.releases.get(model, {})) or "none"
        what = f"{model} {version} is not released"
        raise NotFound("E_UNKNOWN_VERSION", what, expected=f"one of {versions}")
    request = f"withdraw:{idempotency_key}" if idempotency_key else None
    rehearse(state, body, by, request or "rehearsal").check()
    outcome = submit(log, namespace, body, by, request_id=request, state=state, timeout=timeout)
    outcome.verdict.check()
    return WithdrawnRelease(model, version, outcome.verdict.offset, known.withdrawn)
