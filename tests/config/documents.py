"""Texts of config.toml."""

from __future__ import annotations

from pathlib import Path

KEY = "osk_ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
OTHER = "osk_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
URL = "https://x.convex.site"


def write(path: Path, text: str | bytes, mode: int = 0o600) -> None:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(mode)


def login(url: str = URL, key: str = KEY) -> str:
    return f'url = "{url}"\napi_key = "{key}"\n'
