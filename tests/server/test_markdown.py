"""Markdown as HTML: what is rendered, what stays text, and that nothing in it can run."""

from __future__ import annotations

import random
import re

import pytest

from opensync_hooks.server.markdown import markdown
from tests.page_reader import Page


def shown(text: str) -> str:
    """Return the HTML without the attributes that every block has."""
    return re.sub(r' (dir="auto"|rel="noopener noreferrer"|title="[^"]*")', "", markdown(text))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("plain", "<p>plain</p>"),
        ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
        ("**bold** and *slanted* ~~gone~~", "<strong>bold</strong> and <em>slanted</em> <del>gone"),
        ("***both***", "<strong><em>both</em></strong>"),
        ("*a **b***", "<em>a <strong>b</strong></em>"),
        ("_a_ and **b *c* d**", "<em>a</em> and <strong>b <em>c</em> d</strong>"),
        ("`a < b` ``c ` d`` `", "<code>a &lt; b</code> <code>c ` d</code> `"),
        ("`**not bold**`", "<code>**not bold**</code>"),
        (r"\*kept\* C:\dir", r"<p>*kept* C:\dir</p>"),
        ("# One\n### Two\n## C#", "<h3>One</h3><h4>Two</h4><h4>C#</h4>"),
        ("a\n---\nb", "<p>a</p><hr><p>b</p>"),
        ("- a\n- b", "<ul><li><span>a</span></li><li><span>b</span></li></ul>"),
        ("- a\n\n- b", "<ul><li><span>a</span></li><li><span>b</span></li></ul>"),
        ("- a\n  - b", "<ul><li><p>a</p><ul><li><span>b</span></li></ul></li></ul>"),
        ("\n1. a\n\t- b\n2. c", "<p>a</p><ul><li><span>b</span></li></ul></li><li><span>c</span>"),
        ("3) a\n4) b", '<ol start="3"><li><span>a</span></li><li><span>b</span></li></ol>'),
        ("1. a\n   ```\n   x\n   ```", "<li><p>a</p><pre><code>x</code></pre></li>"),
        ("> a\n> > b\nc", "<blockquote><p>a</p><blockquote><p>b</p></blockquote></blockquote>"),
        (
            "```py\n\tx = 1\n\n# no heading\n```",
            '<p class="label">py</p><pre><code>\tx = 1\n\n# no',
        ),
        ("~~~\n```\n~~~", "<pre><code>```</code></pre>"),
        ("```\nnever closed", "<pre><code>never closed</code></pre>"),
        ("|a|b|\n|-|-:|\n|1|2|3|", '<td>1</td><td class="right">2</td><td>3</td>'),
        ("a | b\n:-: | -\n`x` | y\\|z", '<td class="center"><code>x</code></td><td>y|z</td>'),
        ("[a](https://b.example/c_(d))", '<a href="https://b.example/c_(d)">a</a>'),
        ("[**a**](HTTP://y.example)", '<a href="HTTP://y.example"><strong>a</strong></a>'),
        ("see https://b.example/c.", '<a href="https://b.example/c">https://b.example/c</a>.'),
        ("(<https://b.example>)", '(<a href="https://b.example">https://b.example</a>)'),
        ("[x https://y.example](http://z.example)", '<a href="http://z.example">x https://y.ex'),
    ],
)
def test_markdown_is_rendered(text: str, html: str) -> None:
    assert html in shown(text)


@pytest.mark.parametrize(
    "text",
    [
        "__init__ snake_case_name", "2*3*4", "*.py and *.js", "a * b * c", "**", "`open", "#tag",
        "[text] (no link)", "[](https://b.example)"[:4], "1.5 times", "-5 degrees", "a | b",
        "***", "x** y**",
    ],
)  # fmt: skip
def test_other_characters_stay_as_they_are(text: str) -> None:
    if text == "***":
        assert shown(text) == "<hr>"
    else:
        assert shown(text) == f"<p>{text}</p>"


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JAVASCRIPT:x", "data:text/html,x", "vbscript:x", "file:///etc",
        "//evil.example", "src/app.py", "&#106;avascript:x", "java\tscript:x", "https:", "#m-1",
        "mailto:a@b.example",
    ],
)  # fmt: skip
def test_link_with_another_scheme_is_text(address: str) -> None:
    html = markdown(f"[label]({address}) and ![image]({address})")
    assert "<a" not in html
    assert "label" in html


def test_html_stays_text() -> None:
    text = "<b onclick=x>a</b> <img src=x>\n\n<script>alert(1)</script>\n\n- <i>\n\n`<u>`"
    assert set(re.findall(r"<(\w+)", markdown(text))) == {"p", "ul", "li", "span", "code"}


_PIECES = (
    *("*", "**", "_", "~~", "`", "``", "[", "](", ")", "](https://a.example)", "![", "<", ">", "|"),
    *("](javascript:x)", "\n", "\n\n", "- ", "1. ", "  ", "\t", "> ", "# ", "```", "~~~", "---"),
    *("|-|-|", "word", "a b", "https://b.example/c", "<script>", "onload=x", '"', "'", "&lt;"),
    *("\\", "\u202e", "\0", "\x1b[1m", "é", "</p>", "<!--", "]]>", "<a href='javascript:y'>"),
)


@pytest.mark.parametrize("seed", range(300))
def test_no_text_becomes_anything_but_text_lists_tables_and_links(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same in every run
    text = "".join(chance.choices(_PIECES, k=chance.randint(1, 120)))
    html = markdown(text)
    page = Page(html)  # closes every element, and no attribute or address is unknown to it
    assert not set(page.tags) & {"form", "input", "button", "select", "style", "link", "details"}
    assert not set(html) & set("\0\x1b\u202e")
    assert "word" not in text or "word" in page.text


@pytest.mark.parametrize(
    "text", ["> " * 500, "- " * 500, "  - x\n" * 300, "[" * 500, "**a *b " * 90]
)
def test_nesting_is_bounded(text: str) -> None:
    nested = "\n".join(" " * 2 * n + text for n in range(40))
    depth = deepest = 0
    for end in re.findall(r"<(/?)(?:blockquote|ul|ol|li|em|strong)\b", markdown(nested)):
        depth += -1 if end else 1
        deepest = max(deepest, depth)
    assert deepest < 250
    assert Page(markdown(nested)).text


@pytest.mark.parametrize(
    "piece",
    [
        "*a ", "**b ", "[", "[a](", "[a](b", '](a "', "`", "` `` ", "> ", "- a\n\n", "http://.",
        "~~a", "*a **b _c [", "|a|\n|-|\n", "# a\n", "1. a\n ", "- a\nb\n",
    ],
)  # fmt: skip
def test_output_grows_with_the_text_only(piece: str) -> None:
    lengths = [len(markdown(piece * count)) for count in (200, 400, 800)]
    assert lengths[2] - lengths[1] <= 2.2 * (lengths[1] - lengths[0]) + 200
