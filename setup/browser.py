"""Get the Chromium and its driver that the browser tests use: ``make browser``.

What is on PATH is taken. Only a Debian machine's root gets the distribution's packages installed; everybody
else is told how. Never fails: the browser tests skip, with the reason, where there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess

PROGRAMS = ("chromium", "chromedriver")
PACKAGES = ("chromium", "chromium-driver")


def main() -> None:
    """Install what is missing where that is allowed."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"[set-up] installing {' and '.join(PACKAGES)} for the browser tests", flush=True)
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        update = ["apt-get", "-qq", "update"]
        install = ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *PACKAGES]
        for command in (update, install):
            done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
            if done.returncode:
                print(f"[set-up] {' '.join(command)} failed: {done.stderr.strip()}", flush=True)
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        print(f"[set-up] no {' and no '.join(missing)}: browser tests will be skipped.", flush=True)
        print(f"[set-up] On Debian: apt install {' '.join(PACKAGES)}", flush=True)


if __name__ == "__main__":
    main()
