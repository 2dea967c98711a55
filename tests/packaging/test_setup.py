"""The set-up scripts, as far as they can be tried without downloading anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from setup import debian, environment, nats_server

ROOT = Path(__file__).resolve().parents[2]

DEB822 = """\
# the archive
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
 contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb
Enabled: no
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
"""
ONE_LINE = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64,arm64 signed-by=/etc/keyring.gpg] http://line.example/debian bookworm main contrib # mirror
deb-src http://line.example/debian bookworm main
deb http://vendor.example/apt nodistro main
"""


def derived(apt: Path) -> list[str]:
    stanzas = (debian.for_suite(stanza, {"bookworm"}, "unstable") for stanza in debian.sources(apt))
    return [stanza for stanza in stanzas if stanza]


def test_a_deb822_source_is_turned_to_another_suite(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(DEB822)
    (stanza,) = derived(tmp_path)
    assert stanza == (
        "Types: deb\n"
        "URIs: http://mirror.example/debian\n"
        "Suites: unstable\n"
        "Components: main\n"
        "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
    )


def test_a_one_line_source_is_turned_to_another_suite(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(ONE_LINE)
    (stanza,) = derived(tmp_path)
    assert stanza == (
        "Types: deb\n"
        "URIs: http://line.example/debian\n"
        "Suites: unstable\n"
        "Components: main\n"
        "Architectures: amd64 arm64\n"
        "Signed-By: /etc/keyring.gpg\n"
    )


def test_other_machines_are_told_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "os_release", lambda: {"ID": "fedora"})
    with pytest.raises(debian.DebianError, match="was 'fedora'"):
        debian.fetch("nats-server", tmp_path, suite="unstable")
    monkeypatch.setattr(debian, "os_release", lambda: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(debian.DebianError, match="no source of the Debian archive for 'bookworm'"):
        debian.fetch("nats-server", tmp_path, suite="unstable", apt=tmp_path)


def test_the_build_tools_are_taken_from_the_lock() -> None:
    stanzas = environment._stanzas(environment.LOCK.read_text(), environment.BUILD_TOOLS)
    assert [stanza.split("==")[0] for stanza in stanzas] == list(environment.BUILD_TOOLS)
    assert all("--hash=sha256:" in stanza for stanza in stanzas)


def test_an_old_nats_server_does_not_pass_the_probe(tmp_path: Path) -> None:
    old = tmp_path / "nats-server"
    old.write_text("#!/bin/sh\necho 'nats-server: v2.9.10'\n")
    old.chmod(0o755)
    assert "must be at least 2.14.0, was 2.9.10" in nats_server.probe(old)


def test_a_nats_server_that_only_says_so_does_not_pass_the_probe(tmp_path: Path) -> None:
    liar = tmp_path / "nats-server"
    liar.write_text("#!/bin/sh\necho 'nats-server: v2.15.1'\n")
    liar.chmod(0o755)
    assert "did not start" in nats_server.probe(liar)


def test_the_python_of_the_machine_is_found() -> None:
    found = subprocess.run(
        ["sh", "setup/python.sh"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    ).stdout.strip()
    said = subprocess.run(
        [found, "-c", "import sys; print(sys.version_info[:2])"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout.strip()
    assert said in {"(3, 11)", "(3, 12)", "(3, 13)"}


def test_a_machine_without_python_is_told_clearly(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/sh", str(ROOT / "setup" / "python.sh")],
        cwd=tmp_path,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "No Python 3.11, 3.12 or 3.13 found" in done.stderr
