"""Secrets are masked wherever they are, other texts stay, and no input takes long."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import os
import random
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import hypothesis
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from opensync_hooks.privacy.redaction.headers import HEADERS
from opensync_hooks.privacy.redaction.named_formats import NAMED_VALUES
from opensync_hooks.privacy.redaction.private_keys import PRIVATE_KEYS
from opensync_hooks.privacy.redaction.redactor import Redactor, mask
from opensync_hooks.privacy.redaction.rule import Example
from opensync_hooks.privacy.redaction.structured import STRUCTURED
from opensync_hooks.privacy.redaction.table import RULES, AnyRule
from opensync_hooks.privacy.redaction.tokens import TOKENS

ROOT = Path(__file__).parents[2]
MIB = 1 << 20
LINES = 20_000
MAX_FALSE_ALARMS = 0.001

EXAMPLES = [(rule, example) for rule in RULES for example in rule.examples]
FOLDS = (
    "\n",
    "\r\n",
    "\\\n",
    "\\n",
    "\\\\n",
    "\\r\\n",
    "\n    ",
    "\n> ",
    "\n+",
    '" +\n    "',
    "'\n'",
)
"""How terminals, editors, shells, mails, diffs and source code break a long word."""
SHORTEST_FOLDED = 16
FOLD_STEP = 1 if os.environ.get("OPENSYNC_TEST_LONG") else 7
AROUND = (
    "{}", "see {} there", "see\\n{}\\nthere", '{{"a": "{}"}}', "({})", "\x1b[33m{}\x1b[0m",
    "a%3D{}%26b", "<b>{}</b>", "[{}]", "x={};y=1", "日本語 {} ✓", "| {} |",
)  # fmt: skip


def redact(text: str) -> str:
    return Redactor().redact(text)


def rule_id(rule: AnyRule) -> str:
    return f"{rule.kind}-{RULES.index(rule)}"


@pytest.mark.parametrize("rule", RULES, ids=rule_id)
def test_example_is_masked_with_its_kind(rule: AnyRule) -> None:
    assert rule.examples
    for example in rule.examples:
        masked = redact(example.text)
        assert example.secret not in masked
        if rule.kind == "private-key":  # masked together with the lines around it
            assert masked.strip().endswith(mask(rule.kind))
        else:
            assert masked == example.before + mask(rule.kind) + example.after


@pytest.mark.parametrize("rule", RULES, ids=rule_id)
def test_counter_example_stays(rule: AnyRule) -> None:
    assert rule.allowlist
    for text in rule.allowlist:
        assert redact(text) == text


def test_there_are_as_many_formats_as_the_readme_says() -> None:
    assert len({rule.kind for rule in RULES}) >= 200
    assert len(RULES) >= 300


@pytest.mark.parametrize("around", AROUND, ids=ascii)
def test_secret_is_masked_in_any_surroundings(around: str) -> None:
    issued: tuple[AnyRule, ...] = (*PRIVATE_KEYS, *TOKENS, *STRUCTURED)
    for rule in issued:
        for example in rule.examples:
            masked = redact(around.format(example.text))
            assert example.secret not in masked, (rule.kind, masked)
            assert mask(rule.kind) in masked


@pytest.mark.parametrize("fold", FOLDS, ids=ascii)
def test_broken_token_is_masked(fold: str) -> None:
    """Wherever the line ends after the prefix, with four characters on either side."""
    for rule in TOKENS:
        for example in rule.examples:
            for index in range(len(rule.prefix) + 4, len(example.secret) - 4, 3):
                start, end = example.secret[:index], example.secret[index:]
                masked = redact(f"see {start}{fold}{end} there")
                assert masked == f"see {mask(rule.kind)} there", (start, end)


def fold_indexes(rule: AnyRule, example: Example) -> list[int]:
    """Return where in the secret a line may end: not within its keywords, nor near them.

    A value that only its name identifies starts with eight characters on the first line.
    """
    word = max(example.secret.split(), key=len).strip(";")
    if len(word) < SHORTEST_FOLDED:
        return []
    filling = re.search(r"4[kQ7]", word)
    is_named = rule in (*HEADERS, *NAMED_VALUES) or rule.kind == "url-password"
    first = 8 if is_named else (filling.start() if filling else 0) + 4
    keywords = (keyword.strip("*") for keyword in rule.keywords)
    spans = [(word.find(keyword), len(keyword)) for keyword in keywords]
    start = example.secret.index(word)
    return [
        start + index
        for index in range(first, len(word) - 5)
        if not any(at >= 0 and at - 5 <= index < at + length + 5 for at, length in spans)
    ]


def break_at(example: Example, index: int, fold: str) -> Example:
    return replace(example, secret=example.secret[:index] + fold + example.secret[index:])


def in_json(text: str, depth: int) -> str:
    return in_json(json.dumps({"a": text}), depth - 1) if depth else text


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("fold", FOLDS, ids=ascii)
def test_secret_of_every_format_is_masked_where_a_line_ends_in_it(fold: str, depth: int) -> None:
    for rule, example in EXAMPLES:
        for index in fold_indexes(rule, example)[::FOLD_STEP]:
            text = in_json(f"see {break_at(example, index, fold).text} there", depth)
            masked = redact(text)
            assert example.secret[max(0, index - 8) : index] not in masked, text
            assert example.secret[index : index + 6] not in masked, text


def test_name_in_the_next_line_is_not_a_part_of_a_token() -> None:
    """A longer format of the same prefix would eat it, and the value behind it would stay."""
    for rule in TOKENS:
        for example in rule.examples:
            masked = redact(f"{example.secret}\nDB_PASSWORD=hunter" + "two")
            assert masked.endswith("\nDB_PASSWORD=[redacted:password]"), masked


NEIGHBOURS = {
    "a name with a sign in its value": "DB_PASSWORD=k7CbM#fLp+I^rc\r\n" * 9,
    "a string of its own": "config['api_key'] = '4kQ7xB2mZ9af4kQ7'\n\"a1b2c3d4e5f6g7h8\" is read",
    "an argument": "gh secret set A_KEY --body 4kQ7xB2mZ9af4kQ7\napi_key: 4kQ7xB2mZ9af4kQ7",
    "a command": "docker login --password-stdin\n> a\ndocker login -u me -p 4kQ7xB2mZ9af4kQ7 host",
    "a password file": "*:*:*:app:4kQ7xB2mZ9a\n\n+A_KEY=shp" + "ss_" + "4a7b" * 8,
    "a path": ("/home/u/work/ATBB" + "4kQ7xB2m" * 4 + "\n") * 9,
}


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize("text", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_next_line_keeps_no_secret_from_being_masked(text: str, depth: int) -> None:
    """A line that only seems to continue a value, or whose own name was taken for its end."""
    masked = redact(in_json(text, depth))
    assert not re.search("4kQ7xB2m|k7CbM", masked), masked


@pytest.mark.parametrize("depth", [0, 1, 3])
@pytest.mark.parametrize(
    "line", ["DB_NAME1=shop", "PORT=5432", "MAX_AGE=3600", "build.number=20240101", "x1=y"]
)
def test_assignment_in_the_next_line_stays(line: str, depth: int) -> None:
    for secret in ("DB_PASSWORD=hunter2" + "hunter2", "API_KEY=" + "4kQ7xB2m" * 4):
        text = in_json(f"{secret}\n{line}\nEND", depth)
        assert redact(text).endswith(text[text.index(line) :])


def test_long_value_that_is_no_secret_hides_no_name_behind_it() -> None:
    masked = redact("_KEY 1" + "0" * 190 + "\nMY_TOKEN=4kQ7xB2mZ.4kQ7xB")
    assert masked.endswith("\nMY_TOKEN=[redacted:token]")


@pytest.mark.parametrize("end", ["", "…", "...", " [cut here: 20 more bytes]", "\n[truncated]"])
def test_truncated_token_is_masked(end: str) -> None:
    for rule in TOKENS:
        for example in rule.examples:
            cut = example.secret[: len(rule.prefix) + 16]
            if len(cut) < len(example.secret):
                assert redact(f"see {cut}{end}").startswith(f"see {mask(rule.kind)}")


def test_key_file_is_masked_however_it_is_shown() -> None:
    lines = [hashlib.sha256(bytes([number])).hexdigest() for number in range(12)]
    name = "RSA PRIVATE " + "KEY"
    begin, end = f"-----BEGIN {name}-----", f"-----END {name}-----"
    file = [begin, *lines, end]
    forms = {
        "as it is": "\n".join(file),
        "with Windows' line ends": "\r\n".join(file),
        "in JSON": "\\n".join(file),
        "in JSON in JSON": "\\\\n".join(file),
        "in one line": " ".join(file),
        "indented": "\n        ".join(file),
        "with line numbers": "\n".join(f"{number:6}\t{line}" for number, line in enumerate(file)),
        "with arrows": "\n".join(f"{number:6}→{line}" for number, line in enumerate(file)),
        "as a diff": "\n".join(f"+{line}" for line in file),
        "in source code": "\n".join(f'    "{line}\\n" +' for line in file),
        "encrypted": "\n".join(
            [begin, "Proc-Type: 4,ENCRYPTED", "DEK-Info: AES-128-CBC,0A1B", "", *file[1:]]
        ),
        "without its end": "\n".join(file[:-1]),
        "without its end, in JSON": "\\n".join(file[:-1]),
        "cut in a line": "\n".join(file[:-2]) + "\n" + lines[-1][:20],
        "without its beginning": "\n".join(file[3:]),
    }  # fmt: skip
    for form, text in forms.items():
        masked = redact(f"cat key\n{text}")
        assert mask("private-key") in masked, form
        assert not any(line[:12] in masked or line[-12:] in masked for line in lines[3:]), form
        assert masked.startswith("cat key\n"), form


def test_text_after_a_key_file_stays() -> None:
    name = "PRIVATE " + "KEY"
    key = f"-----BEGIN {name}-----\n" + "4kQ7" * 16 + f"\n-----END {name}-----"
    assert redact(f"{key}\nand then\n{key}\nbye") == "{0}\nand then\n{0}\nbye".format(
        mask("private-key")
    )
    prose = f"Look for -----BEGIN {name}----- in the file.\n\nThen tell me what you see in it."
    assert redact(prose).endswith(" in the file.\n\nThen tell me what you see in it.")


def test_mask_is_the_same_for_every_value() -> None:
    (rule,) = (rule for rule in TOKENS if rule.kind == "npm-token")
    values = [rule.examples[0].secret, rule.examples[0].secret.replace("4", "9")]
    assert {redact(value) for value in values} == {"[redacted:npm-token]"}


def test_masks_are_counted_by_kind() -> None:
    redactor = Redactor()
    redactor.redact("DB_PASSWORD=hunter2hunter2 and again DB_PASSWORD=hunter3hunter3")
    redactor.redact("nothing here")
    assert redactor.counts == Counter(password=2)


def test_characters_that_grow_in_lower_case_move_no_mask() -> None:
    assert redact("İİİ password=hunter2hunter2 İ") == f"İİİ password={mask('password')} İ"


PIECES = st.one_of(
    st.sampled_from([example.text for _, example in EXAMPLES]),
    st.sampled_from([example.text for _, example in EXAMPLES]).flatmap(
        lambda text: st.integers(0, len(text)).map(lambda length: text[:length])
    ),
    st.sampled_from([mask(rule.kind) for rule in RULES]),
    st.sampled_from(("password=", "token:", "-----BEGIN", "bearer", "eyJ", '\\"', "\\n", "...")),
    st.sampled_from("\"'`\n=:/@;&,….-_a[] "),
    st.text(max_size=12),
)
TEXTS = st.lists(PIECES, max_size=8).flatmap(
    lambda pieces: st.sampled_from(["", " ", "\n", '"', "="]).map(
        lambda separator: separator.join(pieces)
    )
)


@settings(max_examples=1500, deadline=None)
@hypothesis.given(TEXTS)
def test_masking_twice_is_masking_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@settings(max_examples=300, deadline=None)
@hypothesis.given(
    st.lists(st.sampled_from(EXAMPLES), min_size=1, max_size=6),
    st.sampled_from(["\n", "\n\n"]),
)
def test_prefilter_lets_every_format_through(
    samples: list[tuple[AnyRule, Example]], separator: str
) -> None:
    """A rule that the prefilter drops is never tried."""
    text = redact(separator.join(example.text for _, example in samples))
    for _, example in samples:
        assert example.secret not in text


@cache
def code() -> str:
    """Return a mebibyte of source code, which transcripts are full of."""
    return "\n".join(_source_lines())[:MIB].ljust(MIB)


@cache
def _source_lines() -> list[str]:
    """Return the lines of the packages on this machine, except empty ones."""
    names = ("hypothesis", "pytest", "requests", "urllib3", "pip")
    files = sorted({path for name in names for path in _files(name)})
    files += sorted(Path(re.__file__).parents[1].glob("*.py"))
    texts = (path.read_text("utf-8", "replace") for path in files)
    return [line for text in texts for line in text.splitlines() if line.strip()]


def _files(package: str) -> Iterator[Path]:
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        if file.suffix in (".py", ".pyi", ".md", ".txt", ".toml", ".json"):
            path = Path(str(file.locate()))
            if path.is_file() and path.stat().st_size < 400_000:
                yield path


def benign_lines() -> Iterator[str]:
    """Yield source code of real packages, and random-looking lines that hold no secret."""
    rng = random.Random(7)  # noqa: S311
    yield from rng.sample(_source_lines(), LINES // 2)
    for number in range(LINES // 2):
        noise = rng.randbytes(64)
        yield (
            f'    "integrity": "sha512-{base64.b64encode(noise).decode()}",',
            str(uuid.UUID(bytes=noise[:16])),
            f"{noise[:20].hex()} refs/heads/main",
            f'checksum = "{noise[:32].hex()}"',
            base64.b64encode(noise[:57]).decode(),
            f"data:image/png;base64,{base64.b64encode(noise).decode()}",
            f"{noise[:4].hex()}..{noise[4:8].hex()}  main -> origin/main",
            f'  resolved "https://registry.yarnpkg.com/a-{number}/-/a.tgz#{noise[:20].hex()}"',
            f"    --hash=sha256:{noise[:32].hex()} \\",
            f"{number} passed, {noise[0]} failed in 0.{number}s; session {noise[:8].hex()}",
        )[number % 10]


@pytest.mark.timeout(120)
def test_false_alarms_are_rarer_than_one_line_in_a_thousand() -> None:
    lines = list(benign_lines())
    assert len(lines) == LINES
    alarms = [line for line in lines if redact(line) != line]
    print(f"{len(alarms)} false alarms in {len(lines)} lines: {100 * len(alarms) / LINES:.3f} %")
    assert len(alarms) < LINES * MAX_FALSE_ALARMS, alarms[:20]


def test_no_complete_secret_is_in_this_repository() -> None:
    """Secret scanners would report our examples if they were spelled out."""
    plain = {"url-password", "password-hash", "opensync-key"}
    issued: tuple[AnyRule, ...] = (*PRIVATE_KEYS, *TOKENS, *STRUCTURED)
    marked = {rule.kind for rule in issued} - plain
    for path in [
        *ROOT.glob("opensync_hooks/**/*.py"),
        *ROOT.glob("tests/*.py"),
        ROOT / "README.md",
    ]:
        redactor = Redactor()
        redactor.redact(path.read_text("utf-8"))
        assert not marked & redactor.counts.keys(), path


def test_cookie_of_which_the_first_line_could_be_a_word_is_masked() -> None:
    cookie = "sid=ZkmBx92\n" + "4Q7af2kBx47Qm"
    assert Redactor().redact(f"Set-Cookie: {cookie}; a=b") == "Set-Cookie: [redacted:cookie]"
