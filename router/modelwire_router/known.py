"""Routes and releases by name, or an error that says which ones there are (pure)."""

from modelwire.control.state import Release, RouteState, State
from modelwire_schemas.errors import NotFound


def known_route(state: State, route: str) -> RouteState:
    """Return a route; raises NotFound `E_UNKNOWN_ROUTE`."""
    found = state.routes.get(route)
    if found is None:
        there = ", ".join(sorted(state.routes)) or "none"
        raise NotFound("E_UNKNOWN_ROUTE", f"there is no route {route}", expected=f"one of {there}")
    return found


def known_release(state: State, model: str, version: str) -> Release:
    """Return a release, withdrawn or not; raises NotFound `E_UNKNOWN_VERSION`."""
    release = state.release(model, version)
    if release is None:
        there = ", ".join(state.releases.get(model, {})) or "none"
        what = f"{model} {version} is not released"
        raise NotFound("E_UNKNOWN_VERSION", what, expected=f"one of {there}")
    return release
