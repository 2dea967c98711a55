"""The same scenario and seed come to the same digests in any process, whatever hashes its strings get.

They are stored, so a suite that runs on Python 3.11 and one that runs on 3.13 hold each other to it. One
worker against two is `tests.integration.test_sweep`; memory against NATS and Ray is
`tests.integration.test_runner`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.outcome_digests import FILE

ROOT = Path(__file__).parents[2]
STORED = json.loads(FILE.read_text(encoding="utf-8"))


def digests(python: str, hash_seed: str) -> dict[str, str]:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT}:{ROOT / 'sdk'}"}
    done = subprocess.run(
        [python, "-m", "tests.golden.outcome_digests"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_this_python_comes_to_the_stored_digests_under_any_hash_seed(hash_seed: str) -> None:
    assert all(digest.startswith("sha256:") for digest in STORED.values())
    assert digests(sys.executable, hash_seed) == STORED, (
        "if meant: python -m tests.golden.outcome_digests --write"
    )


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_another_python_comes_to_the_stored_digests(version: str) -> None:
    """Run by `make test-pythons`: TAKT_PYTHONS names a folder of environments that hold the requirements."""
    folder = os.environ.get("TAKT_PYTHONS")
    python = None if folder is None else shutil.which(f"{folder}/{version}/bin/python")
    if python is None:
        pytest.skip(f"TAKT_PYTHONS names no environment of Python {version}")
    assert digests(python, "0") == STORED
