"""Build ``.venv`` from ``requirements.lock`` with the standard library and plain pip.

Run as ``python3 -m setup.environment`` from the repository by any Python 3.11 to 3.13. Works where Debian's
python3-venv is missing: the environment is then made without pip, and pip is taken from its Debian package.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from setup.debian import DebianError, fetch

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
STAMP = VENV / ".takt-environment"
BUILD_TOOLS = ("setuptools",)  # must be there before a package that is published as source only


def main() -> None:
    """Bring the environment in line with the lock file; do nothing where it already is."""
    if sys.version_info[:2] not in {(3, 11), (3, 12), (3, 13)} or sys.platform != "linux":
        raise SystemExit(
            f"Takt needs Python 3.11 to 3.13 on Linux, was {sys.version.split()[0]} on {sys.platform}"
        )
    wanted = hashlib.sha256(
        b"".join(
            path.read_bytes() for path in (LOCK, ROOT / "pyproject.toml", ROOT / "sdk" / "pyproject.toml")
        )
    ).hexdigest()
    if _runs() and STAMP.is_file() and STAMP.read_text() == wanted:
        return
    if not _runs():
        _say(f"making {VENV.name} with Python {sys.version.split()[0]}")
        command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
        subprocess.run([*command, "--without-pip"] if not _has_ensurepip() else command, check=True)
    _say("installing the locked dependencies (the first time takes a minute or two)")
    with tempfile.TemporaryDirectory(prefix="takt-pip-") as folder:
        pip = _pip(Path(folder))
        tools = Path(folder) / "build-tools.txt"
        tools.write_text("".join(_stanzas(LOCK.read_text(), BUILD_TOOLS)))
        _install(pip, "--require-hashes", "--no-deps", "-r", str(tools))
        _install(pip, "--require-hashes", "--no-deps", "--no-build-isolation", "-r", str(LOCK))
        _install(
            pip, "--no-deps", "--no-build-isolation", "--no-index", "-e", str(ROOT / "sdk"), "-e", str(ROOT)
        )
    STAMP.write_text(wanted)


def _say(text: str) -> None:
    print(f"[set-up] {text}", flush=True)


def _runs() -> bool:
    return PYTHON.exists() and subprocess.run([str(PYTHON), "-c", ""], check=False).returncode == 0


def _has_ensurepip() -> bool:
    """Return whether ``venv`` can bring its own pip; Debian splits that off into python3-venv."""
    return importlib.util.find_spec("ensurepip") is not None


def _stanzas(lock: str, names: tuple[str, ...]) -> list[str]:
    """Return the lock's stanzas (a pinned name and its hashes) of the named packages."""
    return [s for s in re.split(r"^(?=\S)", lock, flags=re.MULTILINE) if s.split("==")[0] in names]


def _pip(folder: Path) -> list[str]:
    """Return the command of a pip that installs into the environment."""
    if importlib.util.find_spec("pip", None) is None and not (VENV / "bin" / "pip").exists():
        _say("python3-venv is not installed: taking pip from its Debian package")
        try:
            fetch("python3-pip-whl", folder)
        except DebianError as error:
            raise SystemExit(
                f"No pip: {error}.\nInstall one of python3-venv or python3-pip and run make again."
            ) from error
        (wheel,) = folder.glob("usr/share/python-wheels/pip-*.whl")
        return [str(PYTHON), str(wheel / "pip")]
    if (VENV / "bin" / "pip").exists():
        return [str(PYTHON), "-m", "pip"]
    return [sys.executable, "-m", "pip", "--python", str(PYTHON)]


def _install(pip: list[str], *arguments: str) -> None:
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    done = subprocess.run([*pip, "install", "--quiet", *arguments], check=False, env=environment, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"pip failed on {' '.join(arguments)} (exit status {done.returncode})")


if __name__ == "__main__":
    main()
