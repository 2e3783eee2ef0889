"""Fresh certificates for each trial: a good one, and others that are wrong in one way each.

The good one names no key of its authority, as those of many company proxies do not. Since Python
3.13 such a certificate is refused by default.
"""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Mapping
from pathlib import Path

_DAYS = "2"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def can_be_made() -> bool:
    return shutil.which("openssl") is not None


def make(folder: Path) -> tuple[Path, Mapping[str, ssl.SSLContext]]:
    """Return the file of the authority to trust, and a server context for each certificate."""
    authority = folder / "authority.pem"
    _self_signed(folder, "authority", "/CN=Trial authority")
    _self_signed(folder, "unknown", "/CN=localhost", "subjectAltName=DNS:localhost")
    _signed(folder, "good", "DNS:localhost,IP:127.0.0.2")
    _signed(folder, "other host", "DNS:elsewhere.example")
    _signed(folder, "expired", "DNS:localhost", days="-1")
    contexts = {}
    for name in ("good", "unknown", "other host", "expired"):
        contexts[name] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        contexts[name].load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return authority, contexts


def _self_signed(folder: Path, name: str, subject: str, *extensions: str) -> None:
    added = [word for extension in extensions for word in ("-addext", extension)]
    _openssl(
        folder, "req", "-x509", *_KEY, "-days", _DAYS, "-subj", subject, *added,
        "-keyout", f"{name}.key", "-out", f"{name}.pem",
    )  # fmt: skip


def _signed(folder: Path, name: str, hosts: str, *, days: str = _DAYS) -> None:
    (folder / "extensions").write_text(f"subjectAltName={hosts}\nauthorityKeyIdentifier=none\n")
    _openssl(
        folder, "req", *_KEY, "-subj", f"/CN={name}",
        "-keyout", f"{name}.key", "-out", f"{name}.csr",
    )  # fmt: skip
    _openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem",
        "-CAkey", "authority.key", "-CAcreateserial", "-days", days,
        "-extfile", "extensions", "-out", f"{name}.pem",
    )  # fmt: skip


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, check=True)
