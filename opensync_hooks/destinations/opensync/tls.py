"""Encrypted connections: which certificates are accepted, and why one was not."""

from __future__ import annotations

import ssl
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from opensync_hooks.destinations.opensync.network_errors import NetworkError, NetworkErrorKind
from opensync_hooks.errors import CertificateError, OpenSyncError

_CHECK_CLOCK = "Check this machine's clock; if it is right, the server's certificate is outdated."
_CHECK_URL = "Check the URL, and whether this network has a login page of its own."
_SET_BUNDLE = "Behind a company proxy, set REQUESTS_CA_BUNDLE to the file of its certificates."
_HINTS = {9: _CHECK_CLOCK, 10: _CHECK_CLOCK, 62: _CHECK_URL, 64: _CHECK_URL}
"""By OpenSSL's code: not yet valid, expired, another host's name, another host's address."""


class LenientAdapter(HTTPAdapter):
    """Accepts certificates that break RFC 5280 in form only, as those of many company proxies do.

    It is used only where the user named the authorities to trust. Since Python 3.13, a certificate
    of theirs without a key identifier would be refused (urllib3#3665, python/cpython#138193).
    Signature, host name and dates are checked as ever.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=_lenient_context(), **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=_lenient_context(), **kwargs)


def _lenient_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # requires a certificate and its host name
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file may name an intermediate
    return context


def tls_error(url: str, error: requests.exceptions.SSLError) -> OpenSyncError:
    """Return why there is no encrypted connection, in OpenSSL's own words."""
    cause = _innermost(error)
    if not isinstance(cause, ssl.SSLCertVerificationError):
        reason = getattr(cause, "reason", None) or type(cause).__name__
        return NetworkError(url, NetworkErrorKind.TLS, str(reason).lower().replace("_", " "))
    reason = cause.verify_message.rstrip(".")
    return CertificateError(
        f"{url}: its certificate is not trusted ({reason}).",
        _HINTS.get(cause.verify_code, _SET_BUNDLE),
    )


def _innermost(error: BaseException) -> BaseException:
    inner = error.__cause__ or error.__context__
    return _innermost(inner) if inner else error
