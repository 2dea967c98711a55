"""Credentials of a participant in a file that is read again: renewed ones are taken up while it runs."""

from __future__ import annotations

import json
from pathlib import Path

from takt_sdk.nats.creds import claims_of, creds_text, jwt_of, seed_of


class CredentialsFileError(ValueError):
    """A file is not what it should be: a participant's credentials, or the seed of its key."""


class CredentialsFile:
    """The ``.creds`` file of a participant, or its JWT with the participant's own ``seed`` file.

    Attributes
    ----------
    market, participant
        Whose credentials for which market they are.
    expires_us
        When what was read last ends; None: never.
    """

    def __init__(self, path: Path, seed: Path | None = None) -> None:
        self._path, self._seed = path, seed
        self._jwt = self._find()
        name = str(claims_of(self._jwt).get("name", ""))
        self.market, _, self.participant = name.partition(".")
        if not self.participant:
            raise CredentialsFileError(f"{path} is not for a participant of a market; was for {name!r}")

    @property
    def expires_us(self) -> int | None:
        """When what was read last ends; None: never."""
        end_s = claims_of(self._jwt).get("exp")
        return None if end_s is None else int(end_s) * 1_000_000

    def read(self) -> str:
        """Return the text of a ``.creds`` file as of now.

        Raises
        ------
        CredentialsFileError
            If there is none, or no seed to it.
        """
        self._jwt = self._find()
        try:
            seed = seed_of(self._text(self._path)) if self._seed is None else self._text(self._seed).strip()
        except ValueError as error:
            raise CredentialsFileError(f"{self._path} holds no key: give its seed's file") from error
        return creds_text(self._jwt, seed)

    def renewed(self) -> bool:
        """Return whether the file holds another JWT than was last read; False while it cannot be read."""
        try:
            return self._find() != self._jwt
        except CredentialsFileError:
            return False

    def _find(self) -> str:
        text = self._text(self._path)
        try:
            jwt = jwt_of(text) if "BEGIN" in text else text.strip()
            claims_of(jwt)
        except (ValueError, LookupError, json.JSONDecodeError) as error:
            raise CredentialsFileError(
                f"{self._path} is not a participant's .creds file: it holds no JWT that can be read"
            ) from error
        return jwt

    def _text(self, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8")
        except OSError as error:
            raise CredentialsFileError(f"{path} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise CredentialsFileError(f"{path} cannot be read: it is not text") from error
