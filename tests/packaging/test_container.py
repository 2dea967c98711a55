"""The container image: what its file must keep to, and that it builds where a docker daemon runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
BUILD_S = 1_800


def instructions() -> list[tuple[str, str]]:
    """Return the instructions with their continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", TEXT)
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in lines]


def of(name: str) -> list[str]:
    return [value for known, value in instructions() if known == name]


def test_it_stands_on_a_slim_debian_by_its_short_name_and_release() -> None:
    (base,) = of("FROM")
    assert re.fullmatch(r"python:3\.1[123]-slim-[a-z]+", base), "no registry's host, no tag that moves"


def test_it_does_not_run_as_root_and_says_how_it_is() -> None:
    names = [name for name, _ in instructions()]
    (user,) = of("USER")
    assert user == "takt"
    assert names.index("USER") < names.index("ENTRYPOINT")
    (check,) = of("HEALTHCHECK")
    assert json.loads(check[check.index("[") :])[:3] == ["takt", "status", "--check"]
    for name in ("ENTRYPOINT", "CMD"):
        (command,) = of(name)
        assert json.loads(command), "the program gets the signals itself, not a shell"


def test_what_it_copies_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[0] == "*"
    for value in of("COPY"):
        for source in value.split()[1:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source


def test_it_fetches_nothing_by_address_and_holds_no_secret() -> None:
    assert not of("ADD")
    assert not re.search(r"https?://|curl|wget|--index-url|PASSWORD|SECRET|TOKEN", TEXT)
    assert "apt-get clean" in TEXT or "rm -rf /var/lib/apt/lists/*" in TEXT


@pytest.mark.slow
def test_it_builds() -> None:
    docker = shutil.which("docker") or shutil.which("podman")
    if docker is None:
        pytest.skip("no docker or podman is installed")
    if subprocess.run([docker, "info"], capture_output=True, check=False, timeout=120).returncode != 0:
        pytest.skip("no docker daemon answers")
    built = subprocess.run(
        [docker, "build", "--tag", "takt-test", str(ROOT)],
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    assert built.returncode == 0, built.stderr[-3_000:]
    said = subprocess.run(
        [docker, "run", "--rm", "takt-test", "--version"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "takt" in said.stdout
