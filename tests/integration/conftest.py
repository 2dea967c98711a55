"""What integration tests share: one Ray for the whole session, because starting it takes seconds."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """Start Ray on this machine once; tests stop the actors that they start."""
    import ray  # noqa: PLC0415 - importing Ray takes seconds, and most runs of single tests need none

    ray.init(
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        object_store_memory=100_000_000,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    yield
    ray.shutdown()
