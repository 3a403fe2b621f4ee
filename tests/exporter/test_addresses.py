"""What an address of the network tells."""

import pytest

from exporter.addresses import is_loopback


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.0.2.1", False),
        ("example.com", False),
    ],
)
def test_only_loopback_addresses_are_closed(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
