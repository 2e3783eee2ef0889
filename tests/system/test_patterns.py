"""Patterns cost their compilation only where they are used."""

from __future__ import annotations

import re
from types import ModuleType

import pytest

from opensync_hooks.pricing import model_names
from opensync_hooks.privacy import file_texts, file_tools, git_worktrees, written_files
from opensync_hooks.privacy.redaction import printed, tokens
from opensync_hooks.system.patterns import compiled

LARGE = (file_texts, file_tools, git_worktrees, model_names, printed, tokens, written_files)


@pytest.mark.parametrize("module", LARGE, ids=lambda module: module.__name__)
def test_no_pattern_is_compiled_while_its_module_is_imported(module: ModuleType) -> None:
    assert not any(isinstance(value, re.Pattern) for value in vars(module).values())


def test_pattern_is_compiled_once() -> None:
    assert compiled("a+b") is compiled("a+b")
    assert compiled("a+b").fullmatch("aab")
