"""The durable engine: wake-up hints, the loop that follows them, and the committer. Knows no noun."""

from perch.jobs.committer import Committer
from perch.jobs.engine import Engine
from perch.jobs.gatherer import Gatherer
from perch.jobs.pace import Pace

__all__ = ["Committer", "Engine", "Gatherer", "Pace"]
