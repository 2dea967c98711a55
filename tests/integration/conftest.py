"""What integration tests share: one Ray for the whole session, because starting it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scenarios.local_ray import start_ray


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Start Ray on this machine once; tests stop the actors that they start."""
    import ray  # noqa: PLC0415 - importing Ray takes seconds, and most runs of single tests need none

    start_ray(cpus=2)
    yield
    ray.shutdown()
