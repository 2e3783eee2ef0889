"""Every failure this package foresees: one sentence for the user, and one next step.

OpenSyncError                 base, and what nobody needs to tell apart; exit code 1
├── UsageError                what was asked for cannot be done as asked (2)
├── NotConfiguredError        a setting is missing or unusable (4)
├── KeyRefusedError           the destination does not accept the key (5)
├── UnreachableError          passing: the same request may succeed later (6)
│   ├── BusyError             only this one session is being worked on elsewhere
│   ├── DiskError             a file of ours cannot be read or written now
│   └── UnclearError          the server failed, and does not say whether for good
├── WrongAddressError         something answers at the URL, but it is not OpenSync
│   ├── CertificateError      it cannot prove who it is
│   └── UnusableFileError     a file of ours is damaged, or another program's
├── LateError                 this one session takes too long; what is done stays done
├── RejectedError             this one item will never be taken as it is
├── SourceError               an agent's own file cannot be read now
└── BugError                  what this package did not foresee (3)
"""

from __future__ import annotations

import traceback

from opensync_hooks import __version__


class OpenSyncError(Exception):
    """What went wrong in one sentence, and in `hint` what to do about it. Holds no secret."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(OpenSyncError):
    exit_code = 2


class NotConfiguredError(OpenSyncError):
    exit_code = 4


class KeyRefusedError(OpenSyncError):
    exit_code = 5


class UnreachableError(OpenSyncError):
    exit_code = 6

    def __init__(self, message: str, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after
        """Seconds, where the other side itself says when to come back."""


class BusyError(UnreachableError):
    pass


class DiskError(UnreachableError):
    pass


class UnclearError(UnreachableError):
    pass


class WrongAddressError(OpenSyncError):
    pass


class CertificateError(WrongAddressError):
    pass


class UnusableFileError(WrongAddressError):
    pass


class LateError(OpenSyncError):
    pass


class RejectedError(OpenSyncError):
    pass


class SourceError(OpenSyncError):
    pass


class BugError(OpenSyncError):
    """Names the kind and the place of an exception, but not its text, which may quote a message."""

    exit_code = 3

    def __init__(self, error: Exception) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{last.filename.rpartition('/')[2]}:{last.lineno}"
        super().__init__(
            f"A bug of opensync-hooks {__version__}: {type(error).__name__} in {place}.",
            "Please report this line; the sessions themselves are safe with the agent.",
        )


def as_ours(error: Exception) -> OpenSyncError:
    """The error as one of ours: what the system refused with the file's name, the rest as a bug."""
    if isinstance(error, OpenSyncError):
        return error
    if isinstance(error, OSError):
        what = f"{error.filename or 'opensync-hooks'}: {error.strerror or error}."
        return OpenSyncError(what, "Check the disk, and who may read and write there.")
    return BugError(error)
