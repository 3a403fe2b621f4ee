"""The service as a whole, from its start to its orderly end."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import requests

from exporter.app import ServeOptions, Service, listen
from exporter.config import Access, Config, DetectorConfig, DropDirectory, History, Limits, Model, Sources, Storage
from exporter.config.yaml_lines import Problem
from exporter.config_file import ConfigError
from exporter.http.tls import Web, WebFile
from tests.exporter.conftest import SURE, UNSURE, samples, session

Build = Callable[..., Config]
BAD = ConfigError([Problem("vedette.yml", 3, "models", "unknown key")])


class Running:
    """A service that runs in this event loop, and HTTP to it."""

    def __init__(self, service: Service, listener: socket.socket, http: requests.Session) -> None:
        self.service, self._http = service, http
        self._url = f"http://127.0.0.1:{listener.getsockname()[1]}"

    async def get(self, path: str) -> requests.Response:
        return await asyncio.to_thread(self._http.get, self._url + path, timeout=30)

    async def post(self, path: str, body: Any = None) -> requests.Response:
        return await asyncio.to_thread(self._http.post, self._url + path, json=body, timeout=30)

    async def page(self) -> dict[str, float]:
        return samples((await self.get("/metrics")).text)


def run(
    config: Config,
    scenario: Callable[[Running], Awaitable[None]],
    reloaded: Callable[[], Config] | None = None,
    **options: Any,
) -> Service:
    """Run a service through a scenario and end it as an init system does; the service as it stands then."""
    service = Service(config, reloaded or (lambda: config), ServeOptions(**options))

    async def main() -> None:
        with listen("127.0.0.1", 0) as listener, session() as http:
            serving = asyncio.create_task(service.run(listener))
            running = Running(service, listener, http)
            while (await running.get("/-/ready")).status_code != 200:
                assert not serving.done()
            try:
                await scenario(running)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.wait_for(serving, 30)

    asyncio.run(main())
    return service


def test_what_was_taken_is_judged_before_the_end(config: Build) -> None:
    async def scenario(running: Running) -> None:
        answer = await running.post("/api/v1/queries", [{"input": str(n), "output": UNSURE} for n in range(5000)])
        assert answer.status_code == 202

    service = run(config(), scenario)
    assert service.pipeline.models.of(None).queries == 5000
    assert service.pipeline.waiting == 0


def test_it_is_ready_while_it_serves_and_names_no_server(config: Build) -> None:
    async def scenario(running: Running) -> None:
        answer = await running.get("/-/ready")
        assert (answer.status_code, answer.text) == (200, "ready\n")
        assert "server" not in answer.headers
        assert (await running.post("/detect", {"input": "a", "output": SURE})).status_code == 200
        assert (await running.get("/")).status_code == 200

    run(config(), scenario)


def test_the_canary_comes_through_and_is_in_no_count(config: Build) -> None:
    async def scenario(running: Running) -> None:
        await running.post("/detect", {"input": "a", "output": SURE})  # judged after the canary
        page = await running.page()
        assert page["vedette_canary_last_success_timestamp_seconds"] > 0
        assert page['vedette_queries_total{model="default"}'] == 1

    run(config(), scenario)


def test_the_page_tells_of_the_process_and_of_its_beginning(config: Build) -> None:
    async def scenario(running: Running) -> None:
        page = await running.page()
        assert page["process_resident_memory_bytes"] > 0
        assert page["vedette_counter_epoch_timestamp_seconds"] > 1_600_000_000
        assert page["vedette_config_last_reload_successful"] == 1
        assert page["vedette_open_intake"] == 0
        assert any(name.startswith("vedette_build_info{") for name in page)

    run(config(), scenario)


def test_another_path_for_the_page_is_on_the_landing_page_too(config: Build) -> None:
    async def scenario(running: Running) -> None:
        assert (await running.get("/probe")).status_code == 200
        assert (await running.get("/metrics")).status_code == 404
        assert 'href="/probe"' in (await running.get("/")).text

    run(config(), scenario, telemetry_path="/probe")


def test_an_open_intake_is_shown_and_warned_of(config: Build, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(running: Running) -> None:
        assert (await running.page())["vedette_open_intake"] == 1

    run(config(), scenario, host="0.0.0.0")
    assert "anybody who reaches this address may push queries" in caplog.text


def test_an_intake_that_asks_for_passwords_is_not_open(config: Build, tmp_path: Any) -> None:
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users: {{alice: $2b$04${'a' * 53}}}")

    async def scenario(running: Running) -> None:
        answer = await running.get("/metrics")
        assert answer.status_code == 401

    service = run(config(), scenario, host="0.0.0.0", web=WebFile(web))
    assert not service.exposed.open_intake()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (f"basic_auth_users: {{alice: $2b$04${'a' * 53}}}", 401),
        ("http_server_config: {headers: {X-Frame-Options: deny}}", 200),
    ],
)
def test_detect_is_under_the_web_configuration_from_when_it_says_something(
    config: Build, tmp_path: Any, text: str, status: int
) -> None:
    web = tmp_path / "web.yml"
    web.write_text("")

    async def scenario(running: Running) -> None:
        assert (await running.post("/detect", {"input": "a", "output": SURE})).status_code == 200
        web.write_text(text)
        answer = await running.post("/detect", {"input": "a", "output": SURE})
        assert answer.status_code == status
        assert status == 401 or answer.headers["x-frame-options"] == "deny"

    run(config(), scenario, web=WebFile(web))


def test_the_web_configuration_is_looked_at_once_a_request(config: Build, tmp_path: Any) -> None:
    class Counted(WebFile):
        looks = 0

        def current(self) -> Web:
            self.looks += 1
            return super().current()

    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users: {{alice: $2b$04${'a' * 53}}}")
    counted = Counted(web)

    async def scenario(running: Running) -> None:
        for path in ("/-/healthy", "/docs"):
            before = counted.looks
            await running.get(path)
            assert counted.looks == before + 1

    run(config(), scenario, web=counted)


def test_detect_asks_for_a_key_where_there_are_keys(config: Build, tmp_path: Any) -> None:
    access = Access(keys_file=str(tmp_path / "keys.json"))

    async def scenario(running: Running) -> None:
        assert (await running.post("/detect", {"input": "a", "output": SURE})).status_code == 401

    run(config(access=access), scenario)


def test_the_drop_directory_is_read_while_it_serves(config: Build, tmp_path: Any) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    configured = config(
        sources=Sources(drop_directory=DropDirectory(path=str(drop))), storage=Storage(path=str(tmp_path / "state"))
    )

    async def scenario(running: Running) -> None:
        (drop / ".queries").write_text('{"input":"a"}\n{"input":"b"}\n')
        (drop / ".queries").rename(drop / "queries.ndjson")
        async with asyncio.timeout(20):
            while (await running.page())['vedette_queries_total{model="default"}'] < 2:
                pass

    run(configured, scenario)
    assert (drop / "done" / "queries.ndjson").exists()


def test_a_detect_that_is_sent_again_after_an_orderly_restart_is_known_and_counts_once(config: Build) -> None:
    query = {"id": "1", "input": "a", "output": SURE}

    async def first(running: Running) -> None:
        assert (await running.post("/detect", query)).status_code == 200
        assert (await running.post("/detect", query)).status_code == 200

    async def again(running: Running) -> None:
        answer = await running.post("/detect", query)
        assert (answer.status_code, answer.json()) == (
            409,
            {"detail": "judged already; its answer is not kept any more"},
        )
        assert (await running.post("/detect", {**query, "id": "2"})).status_code == 200
        assert (await running.page())['vedette_queries_total{model="default"}'] == 2

    run(config(), first)
    run(config(), again)


# -- reload


def test_a_signal_takes_over_a_new_configuration_and_counts_go_on(config: Build) -> None:
    stricter = config(DetectorConfig(name="confidence", options={"threshold": 0.25}), models=(Model(name="new"),))

    async def scenario(running: Running) -> None:
        await running.post("/detect", {"input": "a", "output": UNSURE})
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(20):
            while 'vedette_queries_total{model="new"}' not in (page := await running.page()):
                pass
        assert page['vedette_queries_total{model="default"}'] == 1
        assert page['vedette_detector_threshold{detector="confidence",model="default"}'] == 0.25
        assert page['vedette_detector_threshold{detector="confidence",model="new"}'] == 0.25
        assert page["vedette_config_last_reload_successful"] == 1

    run(config(), scenario, reloaded=lambda: stricter)


def test_a_signal_before_the_past_is_back_is_heeded_once_it_is(config: Build) -> None:
    """What the journal holds is counted by the models as they were."""
    early: list[bool] = []
    loops: list[asyncio.AbstractEventLoop] = []

    def read() -> Config:
        early.append(service.keeper.recovering)
        return config(models=(Model(name="new"),))

    service = Service(config(), read, ServeOptions())
    recover = service.keeper.recover

    def recover_after_a_signal() -> list[Any]:
        os.kill(os.getpid(), signal.SIGHUP)
        for _ in range(3):  # the loop has seen it then
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loops[0]).result(10)
        assert early == []
        return recover()

    service.keeper.recover = recover_after_a_signal  # type: ignore[method-assign]

    async def main() -> None:
        loops.append(asyncio.get_running_loop())
        with listen("127.0.0.1", 0) as listener, session() as http:
            serving = asyncio.create_task(service.run(listener))
            running = Running(service, listener, http)
            async with asyncio.timeout(20):
                while 'vedette_queries_total{model="new"}' not in await running.page():
                    assert not serving.done()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(serving, 30)

    asyncio.run(main())
    assert early == [False]


def test_a_bad_configuration_keeps_the_old_one_and_says_so(config: Build, caplog: pytest.LogCaptureFixture) -> None:
    configurations: list[Any] = [BAD, config()]

    def read() -> Config:
        configuration = configurations.pop(0)
        if isinstance(configuration, ConfigError):
            raise configuration
        return configuration

    async def scenario(running: Running) -> None:
        before = (await running.page())["vedette_config_last_reload_success_timestamp_seconds"]
        answer = await running.post("/-/reload")
        assert (answer.status_code, answer.json()) == (500, {"detail": str(BAD)})
        page = await running.page()
        assert page["vedette_config_last_reload_successful"] == 0
        assert page["vedette_config_last_reload_success_timestamp_seconds"] == before
        assert (await running.post("/detect", {"input": "a", "output": SURE})).status_code == 200
        assert (await running.post("/-/reload")).status_code == 200
        assert (await running.page())["vedette_config_last_reload_successful"] == 1

    run(config(), scenario, reloaded=read, enable_lifecycle=True)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == [
        "the configuration was not reloaded"
    ]


def test_a_bad_configuration_at_a_signal_is_logged(config: Build, caplog: pytest.LogCaptureFixture) -> None:
    def read() -> Config:
        raise BAD

    async def scenario(running: Running) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        async with asyncio.timeout(20):
            while (await running.page())["vedette_config_last_reload_successful"]:
                pass

    run(config(), scenario, reloaded=read)
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert record.message == "the configuration was not reloaded"
    assert "vedette.yml" in record.reason  # type: ignore[attr-defined]


def test_limits_hold_from_the_reload_on_and_a_fixed_one_is_named(
    config: Build, caplog: pytest.LogCaptureFixture
) -> None:
    smaller = config(limits=Limits(body_bytes=100, text_characters=3, queue_queries=7))

    async def scenario(running: Running) -> None:
        assert (await running.post("/api/v1/queries", {"input": "x" * 100})).status_code == 202
        assert (await running.post("/-/reload")).status_code == 200
        assert (await running.post("/api/v1/queries", {"input": "x" * 100})).status_code == 413
        assert (await running.post("/api/v1/queries", {"input": "long"})).status_code == 422
        assert (await running.page())["vedette_queue_capacity_queries"] == Limits().queue_queries

    run(config(), scenario, reloaded=lambda: smaller, enable_lifecycle=True)
    assert "limits.queue_queries has changed: the new value holds after a restart" in caplog.text


def test_no_query_is_lost_or_counted_twice_by_reloads(config: Build) -> None:
    async def scenario(running: Running) -> None:
        for number in range(20):
            pushed = running.post("/api/v1/queries", [{"input": f"{number} {n}"} for n in range(300)])
            answer, _ = await asyncio.gather(pushed, running.post("/-/reload"))
            assert answer.status_code == 202

    service = run(config(), scenario, enable_lifecycle=True)
    model = service.pipeline.models.of(None)
    assert model.queries == 6000
    assert sum(model.tallies[0].skipped.values()) == 6000


# -- addresses


def test_a_port_is_listened_on_once() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", listener.getsockname()[1])


def test_ipv6_addresses_are_listened_on() -> None:
    with listen("::1", 0) as listener:
        assert listener.family == socket.AF_INET6


# -- the history


def test_a_flagged_query_can_be_looked_up_after_a_restart(config: Build) -> None:
    query = {"id": "q-1", "client": "key-1", "input": "a", "output": UNSURE}

    async def push(running: Running) -> None:
        assert (await running.post("/api/v1/queries", [query, query | {"id": "q-2", "output": SURE}])).ok

    async def look(running: Running) -> None:
        [row] = (await running.get("/api/v1/queries/flagged")).json()["queries"]
        assert (row["query_id"], row["client"], list(row["detectors"])) == ("q-1", "key-1", ["confidence"])
        assert (await running.get("/api/v1/summary")).json()["total_requests"] == 2
        assert (await running.get("/api/v1/health")).json()["services"]["history"] == "healthy"

    service = run(config(), push)
    assert service.history is not None
    assert (service.history.written["flagged_queries"], service.history.written["rollups"]) == (1, 1)
    assert service.history.dropped.total() == 0
    run(config(), look)


def test_without_a_history_nothing_is_recorded_and_nothing_can_be_read(config: Build, tmp_path: Any) -> None:
    async def scenario(running: Running) -> None:
        assert (await running.post("/api/v1/queries", [{"input": "a", "output": UNSURE}])).ok
        assert (await running.get("/api/v1/queries/flagged")).status_code == 404
        assert (await running.post("/api/v1/alerts/webhook", {"alerts": []})).status_code == 404
        assert (await running.get("/api/v1/health")).json()["services"] == {"exporter": "healthy"}
        assert not any(name.startswith("vedette_history") for name in await running.page())

    service = run(config(history=History(enabled=False)), scenario)
    assert service.pipeline.models.of(None).suspicious == 1
    assert list(tmp_path.rglob("history.db*")) == []


def test_queries_are_judged_while_the_database_is_gone(config: Build) -> None:
    async def scenario(running: Running) -> None:
        answer = await running.post("/detect", {"input": "a", "output": UNSURE})
        assert answer.json()["is_suspicious"]
        assert (await running.get("/api/v1/queries/flagged")).status_code == 503

    service = run(config(history=History(url="postgresql://nobody@127.0.0.1:1/none")), scenario)
    assert service.history is not None
    assert service.history.dropped["stopped"] >= 1


# -- models that are registered

BOT = {"id": "bot", "name": "Bot", "model_type": "llm", "prices": {"request": 0.5}, "objectives": {"latency": 0.9}}
SAMPLE = {"model_id": "bot", "model_type": "llm", "request_id": "r", "latency": 1500.0}


def test_a_registered_model_is_watched_at_once_and_after_a_restart(config: Build) -> None:
    configured = config(models=(Model(name="m"),))

    async def first(running: Running) -> None:
        await running.post("/api/v1/metrics/inference", SAMPLE)
        assert (await running.post("/api/v1/models", BOT)).status_code == 201
        assert (await running.post("/api/v1/metrics/inference", SAMPLE | {"request_id": "s"})).status_code == 201

    async def second(running: Running) -> None:
        page = await running.page()
        assert page['vedette_model_info{modality="text",model="bot",stage="",version=""}'] == 1
        assert page['vedette_cost_dollars_total{model="bot"}'] == 0.5  # the first was counted under `other`
        assert page['vedette_slo_bad_events_total{model="bot",slo="latency"}'] == 1
        listed = (await running.get("/api/v1/models")).json()
        assert [(model["id"], model["source"]) for model in listed["models"]] == [
            ("m", "configuration"),
            ("bot", "registered"),
        ]

    epochs = [run(configured, scenario).keeper.epoch for scenario in (first, second)]
    assert epochs[0] == epochs[1]


def test_a_reload_keeps_what_was_registered(config: Build) -> None:
    async def scenario(running: Running) -> None:
        await running.post("/api/v1/models", BOT)
        assert (await running.post("/-/reload")).status_code == 200
        assert (await running.get("/api/v1/models")).json()["total"] == 1

    run(config(), scenario, enable_lifecycle=True)


def test_registering_the_same_again_changes_nothing_and_other_keys_take_its_place(config: Build) -> None:
    async def scenario(running: Running) -> None:
        for version in ("1", "1", "2"):
            saved = running.service.keeper.saved_at
            assert (await running.post("/api/v1/models", BOT | {"version": version})).status_code == 201
        assert saved is not None
        page = await running.page()
        assert page['vedette_model_info{modality="text",model="bot",stage="",version="2"}'] == 1
        assert (await running.get("/api/v1/models")).json()["total"] == 1

    run(config(), scenario)


def test_a_model_whose_type_does_not_go_with_the_default_detectors_is_refused(config: Build) -> None:
    async def scenario(running: Running) -> None:
        answer = await running.post("/api/v1/models", BOT | {"model_type": "cv"})
        assert answer.status_code == 422
        assert "text_repetition judges text queries" in answer.json()["detail"]

    run(config(DetectorConfig(name="text_repetition")), scenario)


def test_a_model_that_the_configuration_names_cannot_be_registered(config: Build) -> None:
    async def scenario(running: Running) -> None:
        answer = await running.post("/api/v1/models", BOT)
        assert (answer.status_code, answer.json()["detail"][:3]) == (422, "id:")

    run(config(models=(Model(name="bot"),)), scenario)
