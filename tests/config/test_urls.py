"""A URL that the key must not be sent to is refused, and no error repeats a pasted key."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import strategies as st

from opensync_hooks.config.urls import base_url
from opensync_hooks.errors import UsageError

KEY = "osk_ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://x.convex.cloud", "https://x.convex.site"),
        ("https://x.convex.site", "https://x.convex.site"),
        ("  https://X.Convex.Cloud/ \n", "https://x.convex.site"),
        ("HTTPS://x.convex.site", "https://x.convex.site"),
        ("https://x.eu-west-1.convex.cloud", "https://x.eu-west-1.convex.site"),
        ("https://sync.example.org", "https://sync.example.org"),
        ("https://sync.example.org/http/", "https://sync.example.org/http"),
        ("https://sync.example.org:3211", "https://sync.example.org:3211"),
        ("https://sync.example.org:8443/a/b//", "https://sync.example.org:8443/a/b"),
        ("https://convex.cloud.example.org", "https://convex.cloud.example.org"),
        ("https://x.convex.cloud.example.org", "https://x.convex.cloud.example.org"),
        ("https://example.org/x.convex.cloud", "https://example.org/x.convex.cloud"),
        ("https://bücher.example", "https://bücher.example"),
        ("http://localhost:3211", "http://localhost:3211"),
        ("http://127.0.0.1:3211/http", "http://127.0.0.1:3211/http"),
        ("http://[::1]:3211", "http://[::1]:3211"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
    ],
)
def test_base_url_is_derived_from_what_the_dashboard_shows(text: str, address: str) -> None:
    assert base_url(text) == address
    assert base_url(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "x", "convex.site", "https://", "https:///path", "//x.convex.site", "ftp://x.org",
        "javascript:alert(1)", "file:///etc/passwd", "https://x.org:port", "https://x.org:99999",
        "https://[::1", "https://exa mple.org", "https://exam\\ple.org", "https://x.org%20", KEY,
        "https://x.org\0", "https://x..convex.site", "https://.x.org", f"https://{'x' * 64}.org",
    ],
    ids=ascii,
)  # fmt: skip
def test_text_that_is_not_a_url_is_refused_and_not_repeated(text: str) -> None:
    """It may be the key, pasted into the wrong place."""
    with pytest.raises(UsageError) as caught:
        base_url(text)
    assert str(caught.value) == "This is not a URL."
    assert "https://" in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/?convex.cloud",
        "https://evil.example/#.convex.cloud",
        "https://x.convex.cloud@evil.example",
        "https://me:secret@x.convex.site",
        "https://me@x.convex.site",
        "https://evil.example\\@x.convex.cloud",
        "https://x.convex.site?key=secret",
    ],
)
def test_url_with_more_than_an_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"more than an address|not a URL") as caught:
        base_url(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "http://x.convex.site", "http://192.168.1.5:3211", "http://127.0.0.1.evil.example",
        "http://localhost.evil.example", "http://[2001:db8::1]", "http://127.0.0.2", "http://0",
    ],
)  # fmt: skip
def test_key_never_travels_unencrypted_to_another_machine(text: str) -> None:
    with pytest.raises(UsageError, match="unencrypted"):
        base_url(text)


@hypothesis.given(st.text() | st.from_regex(r"https?://[^/]{0,20}(:\d*)?(/.*)?"))
def test_every_text_is_a_url_or_a_usage_error(text: str) -> None:
    try:
        address = base_url(text)
    except UsageError:
        return
    assert address.startswith(("https://", "http://"))
    assert base_url(address) == address
