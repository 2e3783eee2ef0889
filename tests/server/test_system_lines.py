"""What agents put into a conversation, as people read it."""

from __future__ import annotations

import pytest

from opensync_hooks.server.system_lines import system_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("[Request interrupted by user]", [("", "Request interrupted by user")]),
        ("plain <b>text</b>", [("", "plain <b>text</b>")]),
        ("<bash-input>ls -l</bash-input>", [("Shell command", "ls -l")]),
        (
            "<bash-stdout>a\nb\n</bash-stdout><bash-stderr></bash-stderr>",
            [("Shell output", "a\nb")],
        ),
        (
            """<command-name>/x</command-name>
            <command-message>x</command-message>
            <command-args>y</command-args>""",
            [("Command", "/x"), ("With", "y")],
        ),
        (
            "<command-name>/x</command-name><command-message>is running</command-message>",
            [("Command", "/x"), ("Command message", "is running")],
        ),
        ("<local-command-stdout></local-command-stdout>", [("Output", "(nothing)")]),
        ("<new_kind-of-note>x</new_kind-of-note> and", [("New kind of note", "x"), ("", "and")]),
        ("<open>never closed", [("", "<open>never closed")]),
        ("<a1><b>x</b></a1>", [("A1", "<b>x</b>")]),
        ("", [("", "(nothing)")]),
    ],
)
def test_elements_are_lines_with_labels(text: str, lines: list[tuple[str, str]]) -> None:
    assert [tuple(line) for line in system_lines(text)] == lines
