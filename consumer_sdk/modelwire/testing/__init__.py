"""For the tests of applications: an SDK without files or brokers; plain functions answer."""

from modelwire.clock import ManualClock
from modelwire.testing.functions import Function
from modelwire.testing.stand_in import StandIn, models

__all__ = ["Function", "ManualClock", "StandIn", "models"]
