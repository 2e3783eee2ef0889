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


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("<div> how do I centre this?", "prompt"),
        ("<p>why is this red</p>", "prompt"),
        ("<my-widget> does not render", "prompt"),
        ("<attached_files>\nx\n</attached_files>", "context"),
        ("<new_in_a_later_version> x", "context"),
        ("<rules>\nx\n</rules>\n<user_info>y</user_info>", "context"),
        ("<unheard>\nx\n</unheard>", "context"),
        ("[Previous conversation summary]: x", "note"),
    ],
)
def test_tag_of_the_users_own_begins_a_prompt(raw: str, kind: str) -> None:
    assert prompts.parse(raw).kind == kind
    dated = f"<timestamp>Tuesday, Jul 21, 2026, 1:11 PM (UTC+3)</timestamp>\n{raw}"
    assert prompts.parse(dated).kind == kind
