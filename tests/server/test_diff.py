"""What calls write into files, as the page shows it."""

from __future__ import annotations

import re

import pytest

from opensync_hooks.model import Json
from opensync_hooks.privacy.file_texts import note
from opensync_hooks.server.diff_html import change


def lines(arguments: Json) -> list[str]:
    """Return the lines that a change shows, with their marks."""
    shown = change(arguments)
    assert shown
    assert shown.html.startswith('<pre class="diff" dir="ltr"><span')
    return re.sub("<[^>]+>", "", shown.html).removesuffix("\n").split("\n")


@pytest.mark.parametrize(
    "names",
    [("old_string", "new_string"), ("oldString", "newString"), ("old_str", "new_str")],
)
def test_edit_shows_what_changes_and_a_few_lines_around_it(names: tuple[str, str]) -> None:
    old = "a\nb\nc\nd\nx\ny\nz\nz\nz\nz"
    values = (old, old.replace("x\ny", "<X>"))
    arguments = {"file_path": "/f", **dict(zip(names, values, strict=True)), "replace_all": False}
    expected = [" b", " c", " d", "-x", "-y", "+&lt;X&gt;", " z", " z", " z"]
    assert lines(arguments) == expected
    shown = change(arguments)
    assert shown
    assert shown.names.isdisjoint({"file_path", "replace_all"})
    assert shown.names >= set(names)
    assert shown.size == "+1 -2"


def test_each_of_several_edits_is_shown() -> None:
    edits = [{"old_string": "a", "new_string": "b"}, {"old_string": "c", "new_string": ""}, 5]
    assert lines({"file_path": "/f", "edits": edits}) == ["-a", "+b", "-c"]


@pytest.mark.parametrize("name", ["content", "contents", "file_text"])
def test_written_file_is_added_lines(name: str) -> None:
    assert lines({"path": "/f", name: "one\n\ntwo\n"}) == ["+one", "+", "+two"]


def test_patch_is_shown_with_its_own_marks() -> None:
    patch = "*** Begin Patch\n-old\n+new\n same"
    assert lines({"patchText": patch}) == ["*** Begin Patch", "-old", "+new", " same"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"command": "ls"},
        {"content": "a text of another tool"},
        {"file_path": "/f", "old_string": 5, "new_string": "x"},
        {"file_path": "/f", "content": note("/f", "secret\n")},
        {"file_path": "/f", "old_string": note("/f", "a"), "new_string": note("/f", "b")},
    ],
)
def test_other_calls_and_withheld_contents_are_no_change(arguments: Json) -> None:
    assert change(arguments) is None


def test_very_long_file_is_cut() -> None:
    shown = lines({"path": "/f", "content": "x\n" * 20_000})
    assert len(shown) == 5_001
    assert "more lines" in shown[-1]
