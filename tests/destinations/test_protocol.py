"""Both destinations have the protocol's methods, with the same parameters and results."""

from __future__ import annotations

import inspect

import pytest

from opensync_hooks.destinations.opensync.client import OpenSyncClient
from opensync_hooks.destinations.protocol import Destination, ReadableDestination
from opensync_hooks.destinations.store.store import Store

MEMBERS = {
    name: member
    for protocol in (Destination, ReadableDestination)
    for name, member in vars(protocol).items()
    if not name.startswith("_")
}


def test_the_protocol_is_read() -> None:
    methods = {name for name, member in MEMBERS.items() if inspect.isfunction(member)}
    assert methods == {
        *("transaction", "put_session", "put_message", "put_batch"),
        *("newest", "lacks", "fetch"),
    }
    properties = {"name", "is_on_own_disk", "keeps_extra", "messages_per_transaction"}
    assert MEMBERS.keys() - methods == properties


@pytest.mark.parametrize("destination", [OpenSyncClient, Store])
@pytest.mark.parametrize("name", MEMBERS)
def test_destination_has_the_protocols_member(destination: type, name: str) -> None:
    expected = MEMBERS[name]
    if inspect.isfunction(expected):
        assert inspect.signature(getattr(destination, name)) == inspect.signature(expected)
    else:
        assert hasattr(destination, name)


def test_only_the_store_keeps_what_opensync_has_no_field_for() -> None:
    assert (OpenSyncClient.keeps_extra, Store.keeps_extra) == (False, True)
    assert Store.name == "embedded store"
