"""The Ray that Takt starts: whoever reaches its ports and has not its token runs nothing there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

INTRUDER = """
import sys
from ray._raylet import GcsClient

print(len(GcsClient(sys.argv[1]).internal_kv_keys(b"", None)), "keys read")
"""


@pytest.mark.usefixtures("ray_session")
def test_nobody_without_its_token_gets_an_answer() -> None:
    import ray  # noqa: PLC0415 - see ray_session

    address = ray.get_runtime_context().gcs_address
    told = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH_")}
    without = told | {"RAY_AUTH_MODE": "disabled"}
    guessed = told | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    own = dict(os.environ)

    def intrude(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", INTRUDER, address],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert "keys read" in intrude(own).stdout
    for refused in (intrude(without), intrude(guessed)):
        assert refused.returncode != 0
        assert "AuthenticationError" in refused.stderr
        assert refused.stdout == ""
