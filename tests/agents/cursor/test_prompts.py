"""The user's words are separated from the context that Cursor adds."""

from __future__ import annotations

import pytest

from opensync_hooks.agents.cursor import prompts


@pytest.mark.parametrize(
    ("raw", "kind", "text"),
    [
        ("<user_query>\nhello\n</user_query>", "prompt", "hello"),
        ("<timestamp/>\n<user_query>\r\nhello\r\n</user_query>", "prompt", "hello"),
        ("<user_query>\nuse </user_query> here\n</user_query>", "prompt", "use </user_query> here"),
        ("<open_files>a</open_files>\n<user_query>\nx\n</user_query>\n<tail/>", "prompt", "x"),
        ("<user_query>\n  cut off", "prompt", "  cut off"),
        ("plain words", "prompt", "plain words"),
        ("<timestamp/>\nplain words", "prompt", "plain words"),
        ("a < b", "prompt", "a < b"),
        ("<user_info>\nOS\n</user_info>", "context", "<user_info>\nOS\n</user_info>"),
        ("<dynamic_tools>\nx\n</dynamic_tools>", "context", "<dynamic_tools>\nx\n</dynamic_tools>"),
        (
            "<system_reminder>done</system_reminder>",
            "note",
            "<system_reminder>done</system_reminder>",
        ),
    ],
)
def test_users_words_are_separated_from_cursors_context(raw: str, kind: str, text: str) -> None:
    user_text = prompts.parse(raw)
    assert (user_text.kind, user_text.text) == (kind, text)
