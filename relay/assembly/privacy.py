"""What tells of an address all that is kept, and erases it."""

from __future__ import annotations

from relay.assembly.sealing import marks
from relay.ports.bodies import KeptBodies
from relay.ports.clock import Clock
from relay.privacy import Eraser, Export
from relay.settings import Config
from relay.store.sql.store import SqlStore


def export(store: SqlStore, bodies: KeptBodies) -> Export:
    """Only reads."""
    return Export(store=store.personal, bodies=bodies)


def eraser(config: Config, store: SqlStore, bodies: KeptBodies, clock: Clock) -> Eraser:
    """Erases nothing without secrets.keys."""
    return Eraser(store=store.erasing, files=bodies, marks=marks(config), clock=clock)
