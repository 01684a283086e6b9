"""What an application may be told: every hook may be left as it is."""

from modelwire_schemas.routing import ModelVersion


class Hooks:
    """Override what you want. A hook runs in modelwire's threads; one that fails is logged."""

    def after_swap(self, route: str, before: str | None, after: str) -> None:
        """Other versions answer on `route` from now on; several are named with commas."""

    def on_nack(self, version: ModelVersion, code: str, detail: str) -> None:
        """A version was refused; the last good one keeps serving."""

    def on_stale(self, *, stale: bool, why: str) -> None:
        """The control log stopped answering, or answers again."""
