"""Releasing versions: `publish` a model file, `watch` a folder of them, `withdraw` a version."""

from modelwire_publisher.calls import publish, watch, withdraw
from modelwire_publisher.order import Check, PublishedRelease, Watched, WithdrawnRelease
from modelwire_publisher.progress import Stage
from modelwire_publisher.wishes import Wishes

__all__ = [
    "Check",
    "PublishedRelease",
    "Stage",
    "Watched",
    "Wishes",
    "WithdrawnRelease",
    "publish",
    "watch",
    "withdraw",
]
