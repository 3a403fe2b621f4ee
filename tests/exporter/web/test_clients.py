"""The pages about clients, where notifications lead."""

from exporter.web.clients import client_page, clients_page

ONE = {
    "client": "key/<17>",
    "model": "support-bot",
    "level": "alarm",
    "suspicion": 1.25,
    "families": {"repeat": 1.25, "variants": 0.004},
    "queries": 12,
    "first": 0.0,
    "last": 86_400.0,
    "volume": 0.5,
    "coverage": 1.0,
    "clusters": [],
    "examples": [{"time": 86_399.0, "id": "q<1>", "reasons": ["the same query came 6 times"]}],
}


def test_a_client_is_listed_with_what_speaks_against_it_and_when_it_was_seen() -> None:
    page = clients_page([ONE], total=1)
    assert "Last seen (UTC)" in page
    assert "1970-01-02 00:00:00" in page
    assert "repeat 1.25" in page
    assert "variants" not in page  # which rounds to nothing
    assert '<a href="/clients/key/%3C17%3E?model=support-bot">key/&lt;17&gt;</a>' in page


def test_the_page_of_a_client_leads_back_to_all_and_shows_the_evidence() -> None:
    page = client_page("key/<17>", [ONE])
    assert '<a href="/clients">' in page
    assert "q&lt;1&gt;" in page
    assert "the same query came 6 times" in page
    assert "<17>" not in page


def test_without_clients_the_page_says_why() -> None:
    assert "first 200 queries" in clients_page([], total=0)
