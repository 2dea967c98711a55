"""A certificate for a test: made by openssl, of this machine's loopback address."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


def certificate(folder: Path, name: str = "IP:127.0.0.1") -> tuple[Path, Path]:
    """Write a certificate of a name with its key; return both files."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    words = ["openssl", "req", "-x509", *curve, "-nodes", "-days", "2"]
    subprocess.run(
        [
            *(*words, "-keyout", str(key), "-out", str(cert), "-subj", "/CN=takt test"),
            *("-addext", f"subjectAltName={name}"),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return cert, key
