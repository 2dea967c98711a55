"""One way to connect to NATS for both sides: credentials, the server's name, reconnecting without an end.

Needs nothing but nats-py (and nkeys, through which it reads credentials).
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from functools import partial

import nats.errors
from nats.aio.client import Client, RawCredentials

from takt_sdk.endings import end
from takt_sdk.errors import BusRefusedError, WrongServerError
from takt_sdk.repeats import Repeats

_LOG = logging.getLogger(__name__)
_RECONNECT_WAIT_S = 0.25
_CONNECT_S = 2
_PING_S = 2
"""A link that is silent for three of these is given up."""
CLOSE_S = 3.0
"""How long a server may take for what is still to be written when a connection is closed."""


class NamedClient(Client):
    """A client that says nothing to a server of another name than ``server_name``, however often it connects.

    It is closed then, and ``wrong`` says why; one that ``stays`` goes on looking for its own.
    """

    def __init__(self, url: str, server_name: str | None, *, stays: bool = False) -> None:
        super().__init__()
        self._url, self._server_name, self._stays = url, server_name, stays
        self.wrong: WrongServerError | None = None
        self.checked = False
        """Whether a server's name was looked at: nats-py owes nobody the call below."""

    def _connect_command(self) -> bytes:
        """Return the first words to a server whose INFO is there: the one place before anything is said."""
        actual = str(self._server_info.get("server_name", ""))
        self.checked = True
        if self._server_name is not None and actual != self._server_name:
            wrong = WrongServerError(self._url, self._server_name, actual)
            again = self.options["allow_reconnect"]
            if again and self._stays:
                raise nats.errors.Error(str(wrong))
            self.wrong = wrong
            self._pending.clear()  # nats-py would send it as it closes
            self._pending_data_size = 0
            raise (
                nats.errors.NoServersError if again else nats.errors.Error(str(wrong))
            )  # both end its search
        return super()._connect_command()


async def connect(
    url: str,
    creds: str,
    *,
    client_name: str,
    server_name: str | None = None,
    inbox: str = "_INBOX",
    timeout_s: float = 10.0,
    tls: ssl.SSLContext | None = None,
    stays: bool = False,
) -> NamedClient:
    """Return a connection to the server that is meant: its name is checked each time that it comes back.

    ``creds`` is the text of a ``.creds`` file. A server that cannot be reached is tried again until
    ``timeout_s``. Once connected, a lost connection is taken up again within a quarter of a second of
    the server's return, however long it is away; a silent one is given up after some seconds.

    A ``tls://`` URL begins with the handshake, so that nobody on the way can talk the client out of it;
    ``tls`` says whom to trust, by default the authorities that this machine trusts, and the host's name.

    Where a server of another name comes back instead, the connection is closed for good; one that ``stays``
    waits until its own is there again.

    Raises
    ------
    BusRefusedError
        If the server is not reached, or refuses the credentials, or its name can not be checked.
    WrongServerError
        If it has another name than ``server_name``.
    """
    if url.startswith("tls://"):
        tls = tls or ssl.create_default_context()
    elif tls is not None:
        raise BusRefusedError(f"a trusted certificate goes with a tls:// address, was {url!r}")
    made = partial(NamedClient, url, server_name, stays=stays)
    loop = asyncio.get_running_loop()
    end_s = loop.time() + timeout_s
    try:
        async with asyncio.timeout_at(end_s):
            client = await _attempt(made(), url, creds, client_name, inbox, tls)
            while client is None and loop.time() < end_s:  # nats-py may swallow the time-out
                await asyncio.sleep(_RECONNECT_WAIT_S)
                client = await _attempt(made(), url, creds, client_name, inbox, tls)
    except TimeoutError:
        client = None
    if client is None:
        raise BusRefusedError(f"no server answers at {url} for {client_name!r}")
    if server_name is not None and not client.checked:
        await close(client)
        raise BusRefusedError(
            f"this release of nats-py does not let the name of the server at {url} be checked"
        )
    client.options["allow_reconnect"] = True
    return client


async def _attempt(
    client: NamedClient, url: str, creds: str, client_name: str, inbox: str, tls: ssl.SSLContext | None
) -> NamedClient | None:
    """Return the client, connected, that does not reconnect yet; None if the server cannot be reached."""
    troubles = Repeats(_LOG)
    untrusted: list[ssl.SSLError] = []

    async def on_error(error: Exception) -> None:
        if isinstance(error, ssl.SSLError):
            untrusted.append(error)
        troubles.warn(f"{client_name}: {type(error).__name__}: {error}")

    async def on_disconnect() -> None:
        _LOG.info("%s: disconnected", client_name)

    async def on_reconnect() -> None:
        troubles.over(f"{client_name}: connected again")

    try:
        await client.connect(
            url,
            name=client_name,
            user_credentials=RawCredentials(creds),
            inbox_prefix=inbox,
            connect_timeout=_CONNECT_S,
            tls=tls,
            tls_handshake_first=tls is not None,
            allow_reconnect=False,  # nats-py would retry refused credentials without an end
            reconnect_time_wait=_RECONNECT_WAIT_S,  # type: ignore[arg-type]
            max_reconnect_attempts=-1,
            ping_interval=_PING_S,
            max_outstanding_pings=2,
            error_cb=on_error,
            disconnected_cb=on_disconnect,
            reconnected_cb=on_reconnect,
        )
    except (nats.errors.NoServersError, OSError):
        if untrusted:  # nats-py cannot close what failed in the handshake
            raise BusRefusedError(_no_handshake(url, untrusted[0])) from untrusted[0]
        await close(client)
        return None
    except (nats.errors.Error, ValueError) as error:
        await close(client)
        if client.wrong is not None:
            raise client.wrong from None
        raise BusRefusedError(f"{url} refused the credentials of {client_name!r}: {error}") from error
    except BaseException:
        await close(client)
        raise
    return client


def _no_handshake(url: str, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate of {url} is not trusted: {error.verify_message}"
    return f"no TLS with {url}; without TLS the address begins with nats://: {error.reason or error}"


async def close(client: Client, *, within_s: float = CLOSE_S) -> None:
    """Close a connection, which may be lost; cut it off where its server takes nothing any more. Idempotent.

    nats-py by itself waits without an end for what is still to be written, and drops cancellations.
    """
    closing = asyncio.create_task(client.close())
    try:
        await asyncio.wait((closing,), timeout=within_s)
    finally:
        if not closing.done():
            _LOG.warning("a connection was cut off: its server takes nothing any more")
            _abort(client)
            await end((closing,), within_s=within_s)
    if not closing.cancelled() and (error := closing.exception()) is not None:
        _LOG.info("a connection was closed with %r", error)


def _abort(client: Client) -> None:
    """Drop what is still to be written, and the connection."""
    writer = getattr(client._transport, "_io_writer", None)  # noqa: SLF001 - nats-py has no other way
    if writer is not None:
        with suppress(OSError):
            writer.transport.abort()


async def settle(client: Client) -> None:
    """Return when the server has processed everything that was published and subscribed before.

    nats-py's ``flush`` sends its PING ahead of what is pending, so that only a second one proves it.
    """
    await client.flush()
    await client.flush()
