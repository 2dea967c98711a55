"""Addresses of this machine: what is loopback, and how a listener is reached."""

from __future__ import annotations

import ipaddress
import socket

LOOPBACK = "127.0.0.1"


def is_loopback(host: str) -> bool:
    """Return whether a server on ``host`` is reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def local_host(host: str) -> str:
    """Return where this machine's own clients reach a server that listens on ``host``, for a URL."""
    return _in_url(LOOPBACK if host == "0.0.0.0" else "::1" if host == "::" else host)  # noqa: S104


def public_host(host: str) -> str:
    """Return where others reach it: the machine's name where it listens everywhere."""
    return socket.getfqdn() if host in {"0.0.0.0", "::"} else _in_url(host)  # noqa: S104


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
