"""A session as a file, from the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from opensync_hooks.destinations.store.store import Store
from opensync_hooks.server.exports import FORMATS, download
from tests.page_reader import Page

TEXT = "**Hello** <script>alert(1)</script>"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store.db") as opened:
        yield opened


@pytest.fixture
def session_id(store: Store) -> str:
    title = 'A "title"\r\nX-Evil: ü/../'
    session_id = store.put_session({"externalId": "s", "title": title, "createdAt": 1e12}, {})
    for number in range(3):
        store.put_message(
            {
                "sessionExternalId": "s", "externalId": str(number), "role": "user",
                "createdAt": 1e12 + number,
                "parts": [{"type": "text", "content": f"{TEXT} {number} {'x' * 50_000}"}],
            },
            {},
            replaces=True,
        )  # fmt: skip
    return session_id


@pytest.mark.parametrize("form", FORMATS)
def test_file_has_all_messages_and_a_harmless_name(
    store: Store, session_id: str, form: str
) -> None:
    response = download(store, {"id": session_id, "format": form})
    assert response
    text = response.body.decode()
    assert all(f"{number} {'x' * 50_000}" in text for number in range(3))
    assert response.headers["Content-Disposition"] == (
        f'attachment; filename="A-title-X-Evil.{form}"'
    )


def test_html_file_runs_and_loads_nothing(store: Store, session_id: str) -> None:
    response = download(store, {"id": session_id, "format": "html"})
    assert response
    page = Page(response.body.decode())
    assert "script" not in page.tags
    assert "<script>alert(1)</script>" in page.text
    assert all(link.startswith("#m-") for link in page.links), "no link needs the server"


def test_json_lines_can_be_read_back(store: Store, session_id: str) -> None:
    response = download(store, {"id": session_id, "format": "jsonl"})
    assert response
    lines = [json.loads(line) for line in response.body.decode().splitlines()]
    assert [line["type"] for line in lines] == ["session", *["message"] * 3]


@pytest.mark.parametrize("fields", [{}, {"id": "x", "format": "md"}, {"format": "md"}])
def test_unknown_session_has_no_file(store: Store, fields: dict[str, str]) -> None:
    assert download(store, fields) is None


def test_unknown_format_has_no_file(store: Store, session_id: str) -> None:
    assert download(store, {"id": session_id, "format": "exe"}) is None
