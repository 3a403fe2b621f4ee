"""The client against a real exporter, killed and restarted; and what the host feels of all that."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.client.conftest import Exporter, Scripted
from tests.exporter.conftest import ROOT
from vedette_client import Answer, Client, Unreachable
from vedette_client.client import close_all
from vedette_client.identity import process_name
from vedette_client.transport import Http

Connect = Callable[..., Client]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "client")}
#: for the tests' servers: hardly a wait between tries, which are tried on a clock that stands
AT_ONCE = {"longest_wait": 0.01, "jitter": lambda: 0.0}


def push(client: Client, begin: int, end: int) -> None:
    for number in range(begin, end):
        client.push(model="m", client=f"c{number % 7}", input=f"query {number}", output=[0.9, 0.1])


def host(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A service that uses the client, as a process of its own."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_every_push_is_counted_exactly_once_though_the_exporter_is_killed_in_the_middle(
    exporter: Exporter, connect: Connect
) -> None:
    exporter.start()
    client = connect(exporter.url, batch_records=20, **AT_ONCE)
    pushed = 0
    for _ in range(3):
        push(client, pushed, pushed + 400)
        while client.stats().delivered < pushed + 100:
            pass
        exporter.kill()
        push(client, pushed + 400, pushed + 600)
        pushed += 600
        exporter.start()
    assert client.flush(60)
    assert exporter.counted() == pushed
    assert exporter.reused() == 0
    stats = client.stats()
    assert (stats.pushed, stats.delivered, stats.waiting, dict(stats.dropped)) == (pushed, pushed, 0, {})


def test_an_answer_that_is_lost_is_made_good_by_the_id(exporter: Exporter, connect: Connect) -> None:
    exporter.start()
    http, lost = Http(exporter.url), iter([True, False])

    def loses_the_first_answer(path: str, body: bytes) -> Answer:
        answer = http(path, body)
        if next(lost, False):
            raise Unreachable("ReadTimeout")
        return answer

    client = connect(exporter.url, transport=loses_the_first_answer, **AT_ONCE)
    push(client, 0, 50)
    assert client.flush(30)
    http.close()
    assert exporter.counted() == 50
    assert client.stats().duplicates > 0


HOST = """
import sys
from vedette_client import Client
client = Client(sys.argv[1], buffer_dir=sys.argv[2], flush_interval=0.01, close_timeout=0.2)
for number in range(int(sys.argv[3])):
    client.push(id=f"q{number}", model="m", input=f"query {number}", output=[0.9, 0.1])
while client._engine._intake or client.stats().waiting < int(sys.argv[3]):  # in this order: all is in the buffer
    pass
print("kept", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, None], ids=["killed", "ended"])
def test_what_waits_on_disk_survives_the_host_and_is_sent_by_its_next_life(
    exporter: Exporter, connect: Connect, tmp_path: Path, end: signal.Signals | None
) -> None:
    folder = tmp_path / "buffer"
    with host(HOST, exporter.url, str(folder), "300") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "kept\n"
        if end:
            process.send_signal(end)
        process.communicate()
    exporter.start()
    client = connect(exporter.url, buffer_dir=folder, **AT_ONCE)
    while client.stats().waiting or client.stats().delivered < 300:
        pass
    assert exporter.counted() == 300
    assert list(folder.glob("*/*.log")) == []


def test_a_host_that_ends_at_once_has_sent_all(exporter: Exporter) -> None:
    exporter.start()
    program = (
        "import sys; from vedette_client import Client; c = Client(sys.argv[1])\n"
        "for n in range(100): c.push(model='m', input=str(n))"
    )
    with host(program, exporter.url) as process:
        assert process.communicate(timeout=30)[0] == ""
    assert process.returncode == 0
    assert exporter.counted() == 100


FORKING = """
import multiprocessing, os, sys
from vedette_client import Client
client = Client(sys.argv[1], buffer_dir=sys.argv[2], flush_interval=0.01)

def push(who):
    for number in range(100):
        client.push(model="m", input=f"{who} {number}")

push("parent")
children = []
for child in range(3):
    if not (pid := os.fork()):
        push(f"child {child}")
        sys.exit(0)
    children.append(pid)
worker = multiprocessing.get_context("fork").Process(target=push, args=("worker",))
worker.start()
push("parent again")
worker.join()
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
"""


def test_forked_workers_report_what_is_theirs_and_nothing_twice(exporter: Exporter, tmp_path: Path) -> None:
    exporter.start()
    with host(FORKING, exporter.url, str(tmp_path / "buffer")) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert exporter.counted() == 600
    assert exporter.reused() == 0


def test_a_server_that_hangs_holds_up_no_caller_and_what_is_too_much_is_counted(connect: Connect) -> None:
    answer = threading.Event()

    def hangs(path: str, body: bytes) -> Answer:
        answer.wait()
        return Answer(202)

    client = connect(transport=hangs, buffer_bytes=2000, queue_records=1000, batch_records=10)
    push(client, 0, 5000)
    stats = client.stats()
    while stats.waiting > 100:  # the threads of the client go on, whatever the server does
        stats = client.stats()
    answer.set()
    assert client.flush(30)
    stats = client.stats()
    assert stats.dropped["buffer_full"] > 0
    assert stats.delivered + sum(stats.dropped.values()) == stats.pushed == 5000


def test_records_of_every_kind_reach_their_place(connect: Connect) -> None:
    transport = Scripted()
    client = connect(transport=transport)
    client.register_model("m", model_type="llm", thresholds={"latency": 500})
    query = client.push({"model": "m", "input": "hello", "tokens": {"input": 1}})
    client.inference("m", 0.25, request_id=query, tags={"region": "eu"})
    client.drift("m", "data", "high", 0.9)
    client.custom("queue_length", 3, labels={"zone": "a"})
    client.feedback(query, "greeting")
    assert client.flush(10)
    sent = {path: json.loads(body) for path, body in transport.requests}
    assert sent["/api/v1/models"] == {
        **{"id": "m", "name": "m", "model_type": "llm"},
        "thresholds": {"latency": 500},
    }
    assert sent["/api/v1/queries"] == {"id": query, "model": "m", "input": "hello", "tokens": {"input": 1}}
    assert sent["/api/v1/metrics/inference"] == {
        **{"model_id": "m", "model_type": "llm", "request_id": query, "latency": 250.0},
        "tags": {"region": "eu"},
    }
    ids = {sent[f"/api/v1/metrics/{kind}"].pop("id") for kind in ("drift", "custom")}
    assert len(ids - {query, None}) == 2  # so that a retry is known
    assert sent["/api/v1/metrics/drift"] == {
        **{"model_id": "m", "drift_type": "data", "severity": "high", "confidence": 0.9}
    }
    assert sent["/api/v1/metrics/custom"] == {
        **{"name": "queue_length", "kind": "gauge", "value": 3, "labels": {"zone": "a"}, "instance": process_name()}
    }
    assert sent["/api/v1/feedback"] == {"id": query, "label": "greeting"}


class Hostile:
    """An object whose every use fails."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("hostile")


def test_nothing_that_a_host_gives_makes_a_call_fail(connect: Connect) -> None:
    client = connect(transport=Scripted())
    nonsense: list[Any] = [Hostile(), object(), float("nan"), 10**400, {"a": Hostile()}, b"\xff", ["\ud800"]]
    for value in nonsense:
        client.push(value)
        client.push(input=value, output=value, model=value, tokens=value, id=value)
        client.inference(value, value, tags=value)
        client.drift(value, value, value, value)
        client.custom(value, value, labels=value)
        client.register_model(value, thresholds=value)
        client.feedback(value, value)
    assert client.flush(10)
    stats = client.stats()
    assert stats.waiting == 0
    assert stats.dropped["unencodable"] > 0
    assert stats.delivered + sum(stats.dropped.values()) == stats.pushed + stats.dropped["internal_error"]


def test_a_list_that_the_host_changes_later_is_reported_as_it_was(connect: Connect) -> None:
    transport = Scripted()
    client = connect(transport=transport, flush_interval=100.0)
    features = [1.0, 2.0]
    client.push(input=features)
    features[0] = 7.0
    assert client.flush(10)
    assert json.loads(transport.requests[0][1])["input"] == [1.0, 2.0]


def test_a_mapping_that_the_host_fills_again_is_reported_as_it_was(connect: Connect) -> None:
    transport = Scripted()
    client = connect(transport=transport)
    said: dict[str, Any] = {}
    for zone in ("a", "b"):
        said["zone"] = zone
        client.custom("depth", 1, labels=said)
        client.inference("m", 0.1, tags=said, tokens=said, resource_usage=said)
        client.push(model="m", input="x", tokens=said, attributes=said)
        client.drift("m", "data", "low", 0.5, tags=said)
        client.register_model("m", thresholds=said, objectives=said, prices=said)
    said["zone"] = "c"
    assert client.flush(10)
    sent = b"".join(body for _, body in transport.requests)
    assert (sent.count(b'"zone":"a"'), sent.count(b'"zone":"b"'), sent.count(b'"zone":"c"')) == (10, 10, 0)


def test_an_id_of_any_kind_is_a_text(connect: Connect) -> None:
    transport = Scripted()
    client = connect(transport=transport)
    id = UUID(int=7)
    assert client.push(model="m", input="x", id=id) == str(id)  # type: ignore[arg-type]
    assert client.inference("m", 0.1, request_id=7) == "7"  # type: ignore[arg-type]
    client.feedback(id, "spam")  # type: ignore[arg-type]
    assert client.flush(10)
    told = {path: json.loads(body) for path, body in transport.requests}
    assert told["/api/v1/queries"]["id"] == told["/api/v1/feedback"]["id"] == str(id)
    assert told["/api/v1/metrics/inference"]["request_id"] == "7"


class Refusing:
    """What fails wherever it is touched, as arrays do where a truth value is asked for."""

    def __bool__(self) -> bool:
        raise ValueError

    __str__ = __eq__ = __len__ = __bool__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


def test_what_fails_when_it_is_looked_at_makes_no_call_fail(connect: Connect) -> None:
    client, bad = connect(transport=Scripted()), Refusing()
    as_any: Any = bad
    assert client.push({"model": "m", "input": "x", "id": bad}) == ""
    assert client.push(model=as_any, input=bad, id=as_any) == ""
    assert client.inference(as_any, as_any, request_id=as_any) == ""
    client.feedback(as_any, bad)
    client.register_model(as_any, name=as_any)
    client.custom(as_any, as_any, labels=as_any)
    client.drift(as_any, as_any, as_any, as_any)
    assert client.flush(10)
    assert client.stats().dropped["internal_error"] == 4


def test_after_the_end_records_are_counted_and_the_end_may_come_twice(connect: Connect) -> None:
    transport = Scripted()
    with connect(transport=transport) as client:
        client.push(input="a")
    client.close()
    client.push(input="b")
    assert len(transport.requests) == 1
    assert dict(client.stats().dropped) == {"closed": 1}


def test_the_end_of_the_process_closes_every_client(connect: Connect) -> None:
    transport = Scripted()
    client = connect(transport=transport, flush_interval=100.0)
    client.push(input="a")
    close_all()
    assert (len(transport.requests), client.stats().waiting) == (1, 0)


def test_the_end_waits_for_no_server_that_is_down_and_counts_what_is_lost(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(transport=Scripted(*[None] * 100), flush_interval=100.0)
    client.push(input="a")
    client.close(60.0)
    assert dict(client.stats().dropped) == {"not_sent": 1}
    assert "1 records were not sent before the end" in caplog.text


def test_after_the_end_nobody_waits_for_what_was_not_sent(connect: Connect) -> None:
    client = connect(transport=Scripted(*[None] * 100), flush_interval=100.0)
    client.push(input="a")
    client.close(60.0)
    assert not client.flush(3600)


def test_it_needs_nothing_but_requests() -> None:
    program = "import sys, vedette_client; print(*sys.modules)"
    with host(program) as process:
        loaded = set(process.communicate()[0].split())
    assert "requests" in loaded
    assert loaded & {"exporter", "detectors", "numpy", "msgspec", "psutil", "pynvml", "fastapi"} == set()


def test_a_client_that_was_never_used_starts_no_thread(connect: Connect) -> None:
    before = threading.active_count()
    client = connect()
    assert threading.active_count() == before
    assert client.flush(0.0)


def test_a_folder_that_cannot_be_used_is_told_and_memory_takes_its_place(
    connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    client = connect(transport=Scripted(), buffer_dir=tmp_path / "file" / "buffer")
    client.push(input="a")
    assert client.flush(10)
    assert "the buffer folder cannot be used (Not a directory)" in caplog.text


def test_no_key_and_no_content_is_in_the_log_or_in_a_repr(
    connect: Connect, caplog: pytest.LogCaptureFixture, free_port: int
) -> None:
    caplog.set_level(logging.DEBUG, logger="vedette_client")
    client = connect(f"http://127.0.0.1:{free_port}", api_key="SECRET")
    client.push(input="PRIVATE")
    client.push(input=object(), label="PRIVATE")
    while not client.stats().failures:
        pass
    client.close(0.0)
    assert "cannot be reached" in caplog.text
    for text in (caplog.text, repr(client), repr(client.stats())):
        assert "SECRET" not in text
        assert "PRIVATE" not in text
