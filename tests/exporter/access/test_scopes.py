"""Which scope a request needs."""

import pytest

from exporter.access.scopes import GRANTS, HEALTH, ROUTES, needed


def test_admin_may_all_and_the_others_only_their_own() -> None:
    assert {"push": {"push"}, "read": {"read"}, "admin": {"push", "read", "admin"}} == GRANTS


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/api/v1/queries", "push"),
        ("POST", "/detect", "push"),
        ("POST", "/-/reload", "admin"),
        ("POST", "/api/v1/models/a-b.c/train", "admin"),
        ("POST", "/api/v1/anomalies", "push"),
        ("POST", "/api/v1/anomalies/7/confirm", "admin"),
        ("POST", "/api/v1/anomalies/7", "admin"),
        ("POST", "/unheard/of", "admin"),
        ("DELETE", "/api/v1/queries", "admin"),
        ("OPTIONS", "/detect", "admin"),
        ("GET", "/", "read"),
        ("GET", "/docs", "read"),
        ("HEAD", "/openapi.json", "read"),
        ("GET", "/api/v1/clients/key-17", "read"),
        ("GET", "/-/healthy", None),
        ("HEAD", "/-/ready", None),
        ("GET", "/-/healthy/", "read"),
        ("POST", "/-/healthy", "admin"),
    ],
)
def test_what_is_not_in_the_table_is_read_by_readers_and_changed_by_admins(
    method: str, path: str, scope: str | None
) -> None:
    assert needed(method, path, HEALTH) == scope


def test_nothing_is_open_that_is_not_said_to_be() -> None:
    assert needed("GET", "/-/healthy") == "read"
    assert set(ROUTES.values()) == {"push", "admin"}
