"""Every failure that this package foresees: a class, one sentence for the user, one next step.

OpenSyncError                 the base class; also raised itself (exit code 1)
├── UsageError                the arguments ask for something impossible (2)
├── NotConfiguredError        a setting is missing or unusable (4)
├── KeyRefusedError           the destination does not accept the API key (5)
├── UnreachableError          temporary: the same request may succeed later (6)
│   ├── BusyError             another process is working on this session
│   ├── DiskError             a file of ours cannot be read or written now
│   └── ServerFailureError    the server failed, and may fail on this request for good
├── UnusableDestinationError  permanent: what the URL or path leads to is not a destination
│   ├── CertificateError      the server cannot prove its identity
│   └── UnusableFileError     the file is damaged, or another program's
├── TimeLimitError            this session takes too long; what has arrived stays
├── RejectedError             the destination will never accept this item as it is
├── SourceError               a file of the agent's cannot be read now
│   └── DamagedSourceError    a file of the agent's is damaged, so waiting does not help
├── RedactionError            secrets are not masked reliably, so nothing is sent
├── MissingPackageError       this Python lacks a package that we need
└── BugError                  an exception that this package did not foresee (3)
"""

from __future__ import annotations

import sys

from opensync_hooks import __version__

PACKAGES = ("filelock", "requests", "tomli_w")
"""What has to be installed beside this package, as it is imported."""


class OpenSyncError(Exception):
    """One sentence about what went wrong, and in `hint` what to do. Neither holds a secret."""

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
    """`retry_after` is the number of seconds after which the other side asks to come back."""

    exit_code = 6

    def __init__(self, message: str, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after


class BusyError(UnreachableError):
    """Another process is working on this session."""


class DiskError(UnreachableError):
    """A file of ours cannot be read or written now."""


class ServerFailureError(UnreachableError):
    """The server failed, and may fail on this request for good."""


class UnusableDestinationError(OpenSyncError):
    """What the URL or path leads to is not a destination."""


class CertificateError(UnusableDestinationError):
    """The server cannot prove its identity."""


class UnusableFileError(UnusableDestinationError):
    """The file is damaged, or another program's."""


class TimeLimitError(OpenSyncError):
    """A session takes too long; what has arrived stays."""


class RejectedError(OpenSyncError):
    """The destination will never accept this item as it is."""


class SourceError(OpenSyncError):
    """A file of the agent's cannot be read now."""


class DamagedSourceError(SourceError):
    """A file of the agent's is damaged, so waiting does not help."""


class RedactionError(OpenSyncError):
    """Secrets are not masked reliably, so nothing is sent."""


class MissingPackageError(OpenSyncError):
    """Packages that we need are not installed for this Python, as in a clone before install.py."""

    def __init__(self, *names: str) -> None:
        subject = (
            f"package {names[0]} is" if len(names) == 1 else f"packages {', '.join(names)} are"
        )
        super().__init__(
            f"{sys.executable}: the {subject} not installed for this Python.",
            "Run `python install.py` in the clone, and use the command that it makes.",
        )


class BugError(OpenSyncError):
    """Names the exception and its line, but leaves out its text, which may quote a message."""

    exit_code = 3

    def __init__(self, error: Exception) -> None:
        import traceback  # noqa: PLC0415 - a command without a bug starts faster without it

        frame = traceback.extract_tb(error.__traceback__)[-1]
        file_name = frame.filename.rpartition("/")[2]
        super().__init__(
            f"A bug of opensync-hooks {__version__}: "
            f"{type(error).__name__} in {file_name}:{frame.lineno}.",
            "Please report this line; the sessions themselves are safe with the agent.",
        )


def as_opensync_error(error: Exception) -> OpenSyncError:
    """Return the error as one of ours.

    An OSError bears its file's name, a missing package how to install it; all others are bugs.
    """
    if isinstance(error, OpenSyncError):
        return error
    if isinstance(error, ModuleNotFoundError) and error.name in PACKAGES:
        return MissingPackageError(error.name)
    if isinstance(error, OSError):
        message = f"{error.filename or 'opensync-hooks'}: {error.strerror or error}."
        return OpenSyncError(message, "Check the disk, and who may read and write there.")
    return BugError(error)
