"""The application as it is served: every route with every key, pages, and pages of other sites."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from exporter.access import AccessError, keys
from exporter.access.scopes import GRANTS, HEALTH, is_listed, needed
from exporter.app import ServeOptions, Service
from exporter.config import Access, Config, External, Jwt, Model, Storage

NOW = datetime(2026, 1, 31, tzinfo=UTC)
SITE = "https://dashboards.example.com"


class Served:
    """A service, its key file, and requests to it without a network."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.path = str(folder / "keys.json")
        access = Access(cors_origins=(SITE,), **options.pop("access", {}))
        #: what is read at the start, and again by a reload
        self.config = Config(
            storage=Storage(path=str(folder)),
            models=(Model(name="a"), Model(name="b")),
            access=access,
            external=External(url="https://vedette.example"),
        )
        self._options = ServeOptions(**options)

    def key(self, scope: Any, **other: Any) -> str:
        settings: dict[str, Any] = {"models": None, "seconds": None, "name": "", "now": NOW} | other
        return keys.create(self.path, scope, **settings)[1]

    def run(self, scenario: Callable[[httpx.AsyncClient, Service], Awaitable[None]]) -> None:
        """Run a scenario against a service that has just been started."""
        service = Service(self.config, lambda: self.config, self._options)
        service.keeper.recover()
        service._journal.start()
        service.pipeline.start()
        service._ready = True  # as `Service.run` says once it listens

        async def main() -> None:
            transport = httpx.ASGITransport(service.served)
            async with httpx.AsyncClient(transport=transport, base_url="http://vedette") as client:
                await scenario(client, service)

        try:
            asyncio.run(main())
        finally:
            service._stop()


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(tmp_path)


def routes(schema: dict[str, Any]) -> list[tuple[str, str]]:
    """Every method and path of the interface, and the pages that are not described in it."""
    described = [(method.upper(), path) for path, methods in schema["paths"].items() for method in methods]
    return [*described, ("GET", "/"), ("GET", "/docs"), ("GET", "/openapi.json"), ("GET", "/docs/static/favicon.png")]


def test_every_route_asks_every_key_for_its_scope(tmp_path: Path) -> None:
    served = Served(tmp_path, access={"failures_per_minute": 10_000})
    revoked, expired = served.key("admin"), served.key("admin", seconds=60)
    keys.revoke(served.path, keys.load(served.path)[0].id, NOW)
    shown = {scope: served.key(scope) for scope in GRANTS}

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        schema = (await client.get("/openapi.json", headers={"X-API-Key": shown["read"]})).json()
        found, checked = routes(schema), 0
        for method, path in found:
            assert method in ("GET", "DELETE") or is_listed(path), (
                f"{method} {path} has no scope in exporter/access/scopes.py"
            )
            is_open = path in {*HEALTH, "/metrics"}
            for name, key in {**shown, "none": "", "wrong": "wrong", "revoked": revoked, "expired": expired}.items():
                headers = {"Authorization": f"Bearer {key}"} if key else {}
                status = (await client.request(method, path, headers=headers, content=b"{")).status_code
                checked += 1
                if is_open:
                    assert status == 200
                elif name not in shown:
                    assert status == 401, f"{method} {path} with {name} key"
                else:
                    may = needed(method, path) in GRANTS[name]
                    assert (status != 403) == may, f"{method} {path} with the scope {name}: {status}"
                    assert status not in (401, 405, 429)
                    assert status != 404 or "{" in path  # which names nothing that there is
        assert len(found) >= 10
        assert checked == 7 * len(found)

    served.run(scenario)


def test_a_service_without_keys_is_open_but_for_the_reload(served: Served) -> None:
    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        assert (await client.post("/api/v1/queries", json={"input": "a"})).status_code == 202
        assert (await client.get("/")).status_code == 200
        answer = await client.post("/-/reload")
        assert (answer.status_code, "--web.enable-lifecycle" in answer.text) == (403, True)

    served.run(scenario)


def test_an_admin_reloads_without_the_option_of_the_command_line(served: Served) -> None:
    secret = served.key("admin")

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        assert (await client.post("/-/reload", headers={"X-API-Key": secret})).json() == {"status": "success"}

    served.run(scenario)


def test_a_reload_takes_over_who_may_do_what(served: Served) -> None:
    admin, site = {"X-API-Key": served.key("admin")}, "https://other.example"

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        assert (await client.get("/metrics")).status_code == 200
        served.config = msgspec.structs.replace(served.config, access=Access(metrics="read", cors_origins=(site,)))
        assert (await client.post("/-/reload", headers=admin)).status_code == 200
        assert (await client.get("/metrics")).status_code == 401
        for origin, status in ((site, 200), (SITE, 403)):
            assert (await client.post("/-/reload", headers={**admin, "Origin": origin})).status_code == status

    served.run(scenario)


def test_a_file_that_went_away_before_a_reload_changes_nothing(served: Served) -> None:
    secret = served.key("push")
    served.run(lambda client, service: _reload_without_secret(served, client, service, secret))


async def _reload_without_secret(served: Served, client: httpx.AsyncClient, service: Service, secret: str) -> None:
    served.config = msgspec.structs.replace(served.config, access=Access(jwt=Jwt(secret_file="/gone")))
    with pytest.raises(AccessError, match="/gone cannot be read"):
        service.reload()
    assert not service.exposed.reload_successful
    query = {"input": "a", "model": "a"}
    assert (await client.post("/api/v1/queries", json=query, headers={"X-API-Key": secret})).status_code == 202


def test_the_option_of_the_command_line_opens_no_reload_of_a_closed_service(tmp_path: Path) -> None:
    served = Served(tmp_path, enable_lifecycle=True)
    served.key("admin")

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        assert (await client.post("/-/reload")).status_code == 401

    served.run(scenario)


def test_the_page_tells_who_was_kept_out_and_that_the_intake_is_closed(tmp_path: Path) -> None:
    served = Served(tmp_path, host="0.0.0.0")
    served.key("push")

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        await client.post("/detect", json={"input": "a"})
        page = (await client.get("/metrics")).text
        assert 'vedette_authentication_failures_total{reason="missing"} 1.0' in page
        assert "vedette_open_intake 0.0" in page

    served.run(scenario)


def test_a_key_pushes_only_the_models_it_is_for(served: Served) -> None:
    headers = {"X-API-Key": served.key("push", models=["a"])}

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        bodies = [{"input": "x", "model": model} for model in ("a", "b", "a")] + [{"input": "x"}]
        answer = await client.post("/api/v1/queries", json=bodies, headers=headers)
        assert (answer.status_code, answer.json()["accepted"]) == (202, 2)
        assert [entry["index"] for entry in answer.json()["rejected"]] == [1, 3]
        assert (await client.post("/api/v1/queries", json=bodies[1], headers=headers)).status_code == 422
        query = {"input": "x", "output": [0.5, 0.5]}
        assert (await client.post("/detect", json={**query, "model": "a"}, headers=headers)).status_code == 200
        refused = await client.post("/detect", json={**query, "model": "b"}, headers=headers)
        assert (refused.status_code, "not for this model" in refused.text) == (403, True)
        page = (await client.get("/metrics")).text
        for source, count in (("push", 3), ("detect", 1)):
            row = f'vedette_queries_rejected_total{{reason="forbidden_model",source="{source}"}} {count}.0'
            assert row in page

    served.run(scenario)


def test_a_retry_counts_once_for_each_key(served: Served) -> None:
    one, two = ({"X-API-Key": served.key("push")} for _ in range(2))

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        query = {"input": "x", "model": "a", "id": "1", "output": [0.5, 0.5]}
        for headers, duplicates in ((one, 0), (one, 1), (two, 0)):
            answer = await client.post("/api/v1/queries", json=query, headers=headers)
            assert answer.json()["duplicates"] == duplicates
        query["id"] = "2"

        async def detect(headers: dict[str, str]) -> None:
            assert (await client.post("/detect", json=query, headers=headers)).status_code == 200

        await asyncio.gather(*map(detect, (one, two, one)))
        assert service.exposed.intake["detect"].duplicates == 1

    served.run(scenario)


# -- pages


def test_pages_forbid_foreign_scripts_and_frames(served: Served) -> None:
    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        for path in ("/", "/docs"):
            page = await client.get(path)
            assert page.headers["x-content-type-options"] == "nosniff"
            assert page.headers["x-frame-options"] == "DENY"
            assert "default-src 'self'" in page.headers["content-security-policy"]
            assert "server" not in page.headers
        assert "script-src 'self';" in (await client.get("/")).headers["content-security-policy"]
        assert "content-security-policy" not in (await client.get("/metrics")).headers

    served.run(scenario)


def test_the_description_of_the_interface_still_works_under_its_policy(served: Served) -> None:
    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        page = await client.get("/docs")
        policy = page.headers["content-security-policy"]
        inline = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
        assert inline
        for script in inline:
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
        for source in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert source.startswith("/")
            assert (await client.get(source)).status_code == 200
        assert not re.search(r"<[^>]+\son[a-z]+=", page.text)

    served.run(scenario)


def test_errors_name_no_file_no_server_and_no_version(served: Served) -> None:
    secret = served.key("read")

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        for path, headers in (("/gone", {"X-API-Key": secret}), ("/gone", {}), ("/detect", {"X-API-Key": secret})):
            answer = await client.get(path, headers=headers)
            assert answer.status_code in (401, 404, 405, 403)
            assert set(answer.json()) == {"detail"}
            assert not re.search(r"/|\d\.\d|uvicorn|python", str(answer.json()).lower())

    served.run(scenario)


# -- pages of other sites


def test_a_listed_site_asks_first_and_may_send(served: Served) -> None:
    secret = served.key("push")

    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        asked = await client.options("/detect", headers={"Origin": SITE, "Access-Control-Request-Method": "POST"})
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, SITE)
        assert "x-api-key" in asked.headers["access-control-allow-headers"]
        query = {"input": "x", "output": [0.5, 0.5], "model": "a"}
        for headers, status in (({"X-API-Key": secret}, 200), ({}, 401)):
            answer = await client.post("/detect", json=query, headers={"Origin": SITE, **headers})
            assert answer.status_code == status
            assert (answer.headers["access-control-allow-origin"], answer.headers["vary"]) == (SITE, "Origin")
            assert "access-control-allow-credentials" not in answer.headers

    served.run(scenario)


def test_a_site_that_is_not_listed_may_not_send_even_where_everything_is_open(served: Served) -> None:
    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        for origin in ("https://evil.example", "null", "https://vedette.evil.example", f"{SITE}.evil.example"):
            answer = await client.post("/api/v1/queries", json={"input": "a"}, headers={"Origin": origin})
            assert (answer.status_code, "access.cors_origins" in answer.text) == (403, True)
            assert "access-control-allow-origin" not in answer.headers
            asked = await client.options("/detect", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
            assert asked.status_code == 403
        read = await client.get("/metrics", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in read.headers
        assert service.exposed.intake["push"].accepted == 0

    served.run(scenario)


@pytest.mark.parametrize("origin", ["http://vedette", "https://vedette", "https://vedette.example"])
def test_pages_of_the_service_itself_may_send(served: Served, origin: str) -> None:
    async def scenario(client: httpx.AsyncClient, service: Service) -> None:
        answer = await client.post("/api/v1/queries", json={"input": "a"}, headers={"Origin": origin})
        assert answer.status_code == 202

    served.run(scenario)
