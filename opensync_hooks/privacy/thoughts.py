"""Thoughts that a model wrote into its answer, between tags, or into a tool for thinking.

Servers of open models, proxies and fine-tuned models do not separate them as the vendors' own APIs
do. A tag within code is quoted, and no thought.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import field, replace

from opensync_hooks.dataclass import dataclass
from opensync_hooks.model import Part, Role, Text, ToolCall, ToolResult

DOUBTFUL = "[text that may be a thought stays here; `thinking = true` sends it]"
_TAG = re.compile(
    r"(?i)</?(?:\w{1,20}:)?(?:think(?:ing)?|thoughts?|reasoning)(?:\s[^<>\n]{0,200})?>"
    r"|\[/?THINK\]|◁/?think▷|<\|(?:begin|end)_of_thought\|>"
)
_CODE = re.compile(r"(?s)```.*?```|(?<!`)`[^`\n]{1,400}`")
_AGENT_TOOL = re.compile(r"(?i)(?:\b|_)(?:sub)?(?:task|agent)s?(?:\b|_|\Z)|delegate")
_THINKING_TOOL = re.compile(
    r"(?i)(?:.*(?:__|[.:/_]))?(?:sequential[_-]?)?think(?:ing)?(?:[_-]?tool)?"
)
_THOUGHT_FIELDS = ("thought", "thoughts", "thinking", "reasoning")


def withhold(parts: Iterable[Part], role: Role) -> Iterator[Part]:
    """Yield a message's parts without the thoughts in them; what may be one becomes a note.

    A prompt stays as it is: who writes `<think>` there is a person.
    """
    listed = tuple(parts)
    texts = [part.text for part in listed if isinstance(part, Text)] if role == "assistant" else []
    if any(map(_TAG.search, texts)):
        listed = tuple(_without_thoughts(listed))
    for part in listed:
        if isinstance(part, ToolResult):
            yield _withhold_from_result(part)
        elif isinstance(part, ToolCall) and _THINKING_TOOL.fullmatch(part.name):
            yield _withhold_from_call(part)
        else:
            yield part


def count_doubtful(parts: Iterable[Part], role: Role) -> int:
    """Return how many texts of a cleaned answer are notes in the place of what may be a thought."""
    texts = (part.text for part in parts if isinstance(part, Text) and role == "assistant")
    return sum(text.count(DOUBTFUL) for text in texts)


def strip_title(title: str | None) -> str | None:
    """Return a title without thoughts; some models begin what they were asked for with them."""
    if not title or not _TAG.search(title):
        return title
    splitter = _Splitter()
    splitter.add(0, title)
    return " ".join(text for _, text in splitter.spoken if text != DOUBTFUL).strip() or None


def _without_thoughts(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts of an answer, in which a thought may begin in one text and end in another.

    An answer that was nothing but a thought remains as a note, as it counts as an answer.
    """
    listed, splitter = tuple(parts), _Splitter()
    for number, part in enumerate(listed):
        if isinstance(part, Text):
            splitter.add(number, part.text)
    for number, part in enumerate(listed):
        text = "".join(text for index, text in splitter.spoken if index == number).strip()
        if not isinstance(part, Text):
            yield part
        elif text:
            yield Text(text)
    if splitter.depth or not splitter.spoken:
        yield Text(DOUBTFUL)


def _withhold_from_result(result: ToolResult) -> ToolResult:
    """Another agent's answer is treated as an answer; elsewhere only a pair of tags counts."""
    output = result.output
    if not _TAG.search(output):
        return result
    splitter = _Splitter()
    splitter.add(0, output)
    is_answer = bool(_AGENT_TOOL.search(result.name))
    if not splitter.has_thought or (splitter.is_doubtful and not is_answer):
        return result
    kept = "".join(text for _, text in splitter.spoken).strip()
    return replace(result, output="\n".join(filter(None, (kept, DOUBTFUL * bool(splitter.depth)))))


def _withhold_from_call(call: ToolCall) -> ToolCall:
    if not isinstance(call.arguments, dict):
        return replace(call, arguments=DOUBTFUL, title="")
    kept = {
        name: DOUBTFUL if name.lower() in _THOUGHT_FIELDS else value
        for name, value in call.arguments.items()
    }
    return replace(call, arguments=kept, title="")


@dataclass(slots=True)
class _Splitter:
    """Separates the texts of one answer into what was said and what was thought."""

    spoken: list[tuple[int, str]] = field(default_factory=list)
    """Pieces of texts, each with the number of its text."""
    depth: int = 0
    """How many thoughts are open; some models nest them."""
    has_thought: bool = False
    is_doubtful: bool = False
    """A tag has no counterpart."""
    _since: int = 0
    """The first piece after the last thought."""

    def add(self, number: int, text: str) -> None:
        quoted = [match.span() for match in _CODE.finditer(text)]
        end = 0
        for tag in _TAG.finditer(text):
            if any(start <= tag.start() < stop for start, stop in quoted):
                continue
            self._say(number, text[end : tag.start()])
            self.has_thought = True
            end = tag.end()
            if "/" not in tag[0][:2] and "end_of" not in tag[0]:
                self.depth += 1
            elif self.depth:
                self.depth -= 1
                self._since = len(self.spoken)
            else:  # the beginning of the thought was in the prompt, as DeepSeek's template has it
                self.spoken[self._since :] = [(number, DOUBTFUL)]
                self._since, self.is_doubtful = len(self.spoken), True
        self._say(number, text[end:])
        self.is_doubtful |= self.depth > 0

    def _say(self, number: int, text: str) -> None:
        if not self.depth and text:
            self.spoken.append((number, text))
