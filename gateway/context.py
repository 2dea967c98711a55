"""What the routes share: the desk, the limits, and the word that the gateway is closing."""

from __future__ import annotations

import asyncio

from fastapi import Request

from gateway.gate import Gate
from gateway.settings import GatewaySettings
from gateway.stream import StreamLimit
from market.desk import Desk


class Context:
    """One gateway's shared parts. Belongs to one event loop."""

    def __init__(self, desk: Desk, settings: GatewaySettings) -> None:
        self.desk = desk
        self.settings = settings
        self.gate = Gate(settings.max_in_flight_per_customer)
        self.streams = StreamLimit(settings.max_streams, settings.max_streams_per_customer)
        self.closing = asyncio.Event()


def context_of(request: Request) -> Context:
    """Return the context of the application that serves ``request``."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context
