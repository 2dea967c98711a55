"""Errors of a journal, whichever store keeps it.

::

    TaktError
    └── JournalError                    location
        ├── JournalLockedError          another writer holds the journal (retryable)
        ├── JournalFullError            no space left, nothing was stored (retryable)
        ├── JournalBusyError            kept busy by someone else, nothing was stored (retryable)
        ├── JournalUnknownError         failed during a commit: reopen to learn what is stored
        ├── JournalClosedError          the journal was closed
        ├── JournalUnavailableError     the store cannot be opened, or was lost
        ├── JournalFormatError          something else than a journal is stored there
        ├── JournalVersionError         found, supported: a newer release wrote it
        ├── JournalSettingError         setting, value, expected: durability is not in force
        ├── JournalCorruptError         position: what is stored contradicts the tree
        ├── JournalBackupError          a backup was not made
        ├── JournalValueError           field, value: cannot be stored exactly
        └── JournalConflictError        field, value: contradicts what is stored
"""

from __future__ import annotations

from takt_sdk.errors import TaktError


class JournalError(TaktError):
    """A journal cannot do what was asked.

    Attributes
    ----------
    location
        Path or URL (without password) of the journal.
    """

    def __init__(self, location: str, detail: str) -> None:
        self.location = location
        super().__init__(f"journal {location}: {detail}")


class JournalLockedError(JournalError):
    """Another writer holds the journal."""

    retryable = True

    def __init__(self, location: str) -> None:
        super().__init__(location, "another writer has it open; a journal has one writer")


class JournalFullError(JournalError):
    """No space is left. Nothing was stored; the same call succeeds after space is freed."""

    retryable = True


class JournalBusyError(JournalError):
    """The store was kept busy by someone else for too long. Nothing was stored."""

    retryable = True


class JournalUnknownError(JournalError):
    """The store failed while committing, so the batch may or may not be stored.

    The journal refuses every further write; reopen it and read what is there.
    """


class JournalClosedError(JournalError):
    """The journal was closed."""

    def __init__(self, location: str) -> None:
        super().__init__(location, "is closed")


class JournalUnavailableError(JournalError):
    """The store cannot be opened, or was lost."""


class JournalFormatError(JournalError):
    """Something else than a journal is stored there."""


class JournalVersionError(JournalError):
    """The journal was written by a newer release.

    Attributes
    ----------
    found
        Schema version of the journal.
    supported
        Newest schema version that this release knows.
    """

    def __init__(self, location: str, *, found: int, supported: int) -> None:
        self.found = found
        self.supported = supported
        super().__init__(
            location,
            f"schema version must be at most {supported}; was {found}: open it with a newer release",
        )


class JournalSettingError(JournalError):
    """A setting that durability rests on is not in force.

    Attributes
    ----------
    setting
        Name of the setting.
    value
        What the store says.
    expected
        What is required.
    """

    def __init__(self, location: str, *, setting: str, value: object, expected: object) -> None:
        self.setting = setting
        self.value = value
        self.expected = expected
        super().__init__(location, f"{setting} must be {expected!r}; was {value!r}")


class JournalCorruptError(JournalError):
    """What is stored contradicts the Merkle tree.

    Attributes
    ----------
    position
        First position found wrong.
    """

    def __init__(self, location: str, detail: str, *, position: int) -> None:
        self.position = position
        super().__init__(location, f"at position {position}, {detail}")


class JournalBackupError(JournalError):
    """A backup was not made; the journal itself is untouched."""


class _JournalFieldError(JournalError):
    shown_characters = 80

    def __init__(self, location: str, field: str, value: object, rule: str) -> None:
        self.field = field
        self.value = value
        shown = repr(value)
        if len(shown) > self.shown_characters:
            shown = shown[: self.shown_characters] + "..."
        super().__init__(location, f"{field} {rule}; was {shown}")


class JournalValueError(_JournalFieldError):
    """A value cannot be stored exactly.

    Attributes
    ----------
    field
        Path of the field, e.g. ``batch[3].rows[0].key``.
    value
        The value as given.
    """


class JournalConflictError(_JournalFieldError):
    """A value contradicts what is stored: an id given twice, a row of another tenant.

    Attributes
    ----------
    field
        Path of the field, e.g. ``outbox.message_id``.
    value
        The value as given.
    """
