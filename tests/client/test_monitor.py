"""Functions that are watched behave as before, and their calls are reported."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.client.conftest import Scripted
from vedette_client import Client, monitor

Reported = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def transport() -> Scripted:
    return Scripted()


@pytest.fixture
def client(connect: Callable[..., Client], transport: Scripted) -> Client:
    return connect(transport=transport)


@pytest.fixture
def reported(client: Client, transport: Scripted) -> Callable[[str], list[dict[str, Any]]]:
    """Records of a kind that were sent so far."""

    def records(path: str) -> list[dict[str, Any]]:
        assert client.flush(10)
        bodies = [body for at, body in transport.requests if at.endswith(path)]
        found = [json.loads(line) for body in bodies for line in body.split(b"\n")]
        return [record for one in found for record in (one if isinstance(one, list) else [one])]

    return records


def test_a_function_keeps_its_result_and_its_call_is_a_sample(client, reported) -> None:
    @monitor("m", client=client, model_type="tabular")
    def add(first: int, second: int) -> int:
        """Adds."""
        return first + second

    assert add(1, second=2) == 3
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    [sample] = reported("/inference")
    assert sample.pop("latency") > 0
    assert sample.pop("request_id")
    assert sample == {"model_id": "m", "model_type": "tabular"}
    assert reported("/queries") == []


def test_inputs_outputs_tokens_and_the_caller_are_told_by_choice(client, reported) -> None:
    @monitor(
        "m",
        client=client,
        inputs=True,
        outputs=lambda answer: {"label": answer["class"]},
        tokens=lambda answer: {"input": answer["n"]},
        caller=lambda text, user: user,
    )
    def classify(text: str, user: str) -> dict[str, Any]:
        return {"class": "greeting", "n": 2}

    classify("hello", user="key-1")
    [query] = reported("/queries")
    assert query.pop("latency_seconds") > 0
    assert query.pop("id")
    assert query == {
        **{"model": "m", "client": "key-1", "input": "hello", "output": {"label": "greeting"}},
        "tokens": {"input": 2},
    }
    assert reported("/inference") == []


def test_an_exception_passes_and_only_its_name_is_told(client, reported) -> None:
    @monitor("m", client=client)
    def fail() -> None:
        raise ValueError("what a user wrote")

    with pytest.raises(ValueError, match="what a user wrote"):
        fail()
    [sample] = reported("/inference")
    assert sample["error"] == "ValueError"


def test_an_extractor_that_fails_leaves_its_part_out(client, reported) -> None:
    @monitor("m", client=client, inputs=True, tokens=lambda answer: answer.usage, outputs=lambda answer: 1 / 0)
    def echo(text: str) -> str:
        return text

    assert echo("a") == "a"
    [query] = reported("/queries")
    assert query["input"] == "a"
    assert {"output", "tokens"} & set(query) == set()


def test_a_method_is_asked_by_what_follows_self(client, reported) -> None:
    class Model:
        @monitor("m", client=client, inputs=True)
        def predict(self, text: str) -> str:
            return text

    Model().predict("a")
    Model().predict(text="b")
    assert [query["input"] for query in reported("/queries")] == ["a", "b"]


def test_a_generator_is_read_as_before_and_told_whole_with_its_first_token(client, reported) -> None:
    @monitor("m", client=client, inputs=True, outputs=True)
    def stream(text: str) -> Iterator[str]:
        yield from text.split()

    assert list(stream("a b c")) == ["a", "b", "c"]
    [query], [sample] = reported("/queries"), reported("/inference")
    assert query["output"] == {"text": "abc"}
    assert sample["request_id"] == query["id"]
    assert 0 < sample["time_to_first_token"] <= sample["latency"]


def test_what_is_sent_and_thrown_into_a_generator_arrives(client, reported) -> None:
    got: list[Any] = []

    @monitor("m", client=client)
    def talk() -> Iterator[int]:
        try:
            got.append((yield 1))
        except KeyError as error:
            got.append(error)
            yield 2

    first, second = talk(), talk()
    next(first)
    with pytest.raises(StopIteration):
        first.send("hello")
    next(second)
    assert second.throw(KeyError("x")) == 2
    second.close()
    assert got[0] == "hello"
    assert isinstance(got[1], KeyError)
    assert ["error" in sample for sample in reported("/inference")] == [False, False]


def test_a_stream_that_breaks_is_a_failure_and_one_that_is_left_is_none(client, reported) -> None:
    @monitor("m", client=client)
    def stream(breaks: bool) -> Iterator[int]:
        yield 1
        if breaks:
            raise ConnectionError("gone")
        yield 2

    with pytest.raises(ConnectionError):
        list(stream(True))
    left = stream(False)
    next(left)
    del left
    assert [sample.get("error") for sample in reported("/inference")] == ["ConnectionError", None]


def test_async_functions_and_streams_are_watched_too(client, reported) -> None:
    @monitor("m", client=client, inputs=True, outputs=True)
    async def answer(text: str) -> str:
        await asyncio.sleep(0)
        return text.upper()

    @monitor("m", client=client, inputs=True, outputs=True)
    async def stream(text: str) -> AsyncIterator[str]:
        for word in text.split():
            yield word

    async def main() -> None:
        assert inspect.iscoroutinefunction(answer)
        assert await asyncio.gather(answer("a"), answer("b")) == ["A", "B"]
        assert [word async for word in stream("c d")] == ["c", "d"]

    asyncio.run(main())
    assert [query["output"]["text"] for query in reported("/queries")] == ["A", "B", "cd"]


def test_a_plain_function_around_an_async_one_is_watched_until_it_is_awaited(client, reported) -> None:
    async def fetch(word: str) -> str:
        await asyncio.sleep(0)
        if word == "bad":
            raise RuntimeError(word)
        return word.upper()

    class Model:
        async def __call__(self, word: str) -> str:
            return await fetch(word)

    around = monitor("m", client=client, inputs=True, outputs=True)(lambda word: fetch(word))
    model = monitor("m", client=client, inputs=True, outputs=True)(Model())
    assert asyncio.run(around("good")) == "GOOD"
    with pytest.raises(RuntimeError):
        asyncio.run(model("bad"))
    good, bad = reported("/queries")
    assert good["output"] == {"text": "GOOD"}
    assert bad["error"] == "RuntimeError"


def test_an_async_call_that_is_cancelled_is_no_failure_of_the_model(client, reported) -> None:
    @monitor("m", client=client)
    async def wait() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    [sample] = reported("/inference")
    assert "error" not in sample


def test_a_block_is_watched_and_can_say_more(client, reported) -> None:
    with monitor("m", client=client) as call:
        call.input, call.output = "a", [0.9, 0.1]
        call.tokens = {"output": 3}
        call.first_token()
    [query] = reported("/queries")
    assert (query["id"], query["tokens"]) == (call.id, {"output": 3})


def test_blocks_of_tasks_that_overlap_do_not_mix(client, reported) -> None:
    watched = monitor("m", client=client)

    async def work(name: str, mine: asyncio.Event, other: asyncio.Event) -> None:
        async with watched as call:
            call.input = name
            mine.set()
            await other.wait()
            call.output = {"text": name}

    async def main() -> None:
        events = asyncio.Event(), asyncio.Event()
        await asyncio.gather(work("a", *events), work("b", *events[::-1]))

    asyncio.run(main())
    assert all(query["output"]["text"] == query["input"] for query in reported("/queries"))
    assert len(reported("/queries")) == 2


def test_blocks_in_generators_that_are_read_in_turns_do_not_mix(client, reported) -> None:
    def stream(name: str, count: int) -> Iterator[str]:
        with monitor("m", client=client) as call:
            call.input = name
            for _ in range(count):
                yield name
            call.output = {"text": name}

    first, second = stream("a", 1), stream("b", 2)
    next(first), next(second)
    assert list(first) == []
    [query] = reported("/queries")
    assert (query["input"], query["output"]) == ("a", {"text": "a"})
    assert list(second) == ["b"]
    assert [query["output"]["text"] for query in reported("/queries")] == ["a", "b"]


def test_an_exception_in_a_block_passes_and_is_told(client, reported) -> None:
    with pytest.raises(KeyError), monitor("m", client=client):
        raise KeyError("x")
    assert [sample["error"] for sample in reported("/inference")] == ["KeyError"]
