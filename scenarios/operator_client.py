"""The operator's own client: finds the market of a folder and asks it over HTTP with the operator's key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import httpx

from scenarios.market_folder import Address, MarketFolder
from takt_sdk.nats.tls import pinned


class OperatorClient:
    """The running market of a folder, as its operator sees it.

    Every way in which a request can fail becomes a `click.ClickException` that says which field and value.
    """

    def __init__(self, folder: MarketFolder, address: Address) -> None:
        self.folder, self.address = folder, address

    @classmethod
    def of(cls, data: Path) -> OperatorClient:
        """Return the client of the market that runs in ``data``."""
        folder = MarketFolder(data)
        address = folder.read_address()
        if address is None:
            raise click.ClickException(f"no market runs in {data}: start one with `takt up --data {data}`")
        return cls(folder, address)

    def participants(self) -> list[dict[str, Any]]:
        """Return every participant that the market knows, by id."""
        found: list[dict[str, Any]] = []
        page: str | None = "/v1/operator/participants?limit=500"
        while page is not None:
            listed = self.ask("GET", page)
            found += listed["participants"]
            page = listed["next"]
        return found

    def change(self, participant: str, what: str, document: dict[str, Any] | None = None) -> None:
        """POST a change of one participant."""
        try:
            self.ask("POST", f"/v1/operator/participants/{participant}/{what}", document or {})
        except click.ClickException as error:
            raise click.ClickException(f"{participant}: {error.message}") from error

    def ask(self, method: str, path: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the market's answer."""
        headers = {"Authorization": f"Bearer {self.folder.secret('operator')}"}
        certificate = self.address.tls_cert
        try:
            response = httpx.request(
                method,
                f"{self.address.http_url}{path}",
                json=document,
                headers=headers,
                timeout=30.0,
                verify=pinned(Path(certificate)) if certificate else True,
            )
        except httpx.HTTPError as error:
            raise click.ClickException(
                f"the market at {self.address.http_url} gave no answer: {error}"
            ) from error
        answer: dict[str, Any] = response.json()
        if response.is_error:
            named = f" ({answer['field']}: {answer.get('value', '')})" if answer.get("field") else ""
            raise click.ClickException(f"{answer.get('detail', response.text)}{named}")
        return answer
