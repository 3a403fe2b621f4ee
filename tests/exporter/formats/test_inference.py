"""Samples of inferences from the wire."""

import msgspec
import pytest

from exporter.config import Limits
from exporter.formats import Refused, TooMany, Unreadable, inference

LIMITS = Limits(body_queries=3)
LEAST = {"model_id": "m", "model_type": "llm", "request_id": "r", "latency": 12.5}


def decode(body):
    return inference.decode(body if isinstance(body, bytes) else msgspec.json.encode(body), LIMITS)


def refusal(body):
    with pytest.raises(Refused) as error:
        decode(body)
    return error.value.code, error.value.reason


def test_the_sample_of_the_servers_that_people_come_from_is_taken():
    [sample] = decode(
        LEAST
        | {
            "throughput": 80,
            "error_rate": 0.01,
            "resource_usage": {"gpu_memory": 0.7, "cpu_usage": 0.2, "memory_usage": 0.5},
            "tags": {"region": "eu", "shard": 3},
        }
    )
    assert (sample.model_id, sample.latency, sample.throughput, sample.error_rate) == ("m", 12.5, 80, 0.01)
    assert sample.resource_usage == inference.Resources(gpu_memory=0.7, cpu_usage=0.2, memory_usage=0.5)
    assert sample.tags == {"region": "eu", "shard": 3}


def test_an_array_is_as_many_samples():
    assert [sample.request_id for sample in decode([LEAST, LEAST | {"request_id": "s"}])] == ["r", "s"]
    assert list(decode(b" []")) == []


@pytest.mark.parametrize("field", LEAST)
def test_a_field_that_is_missing_is_named(field):
    without = {name: value for name, value in LEAST.items() if name != field}
    assert refusal(without) == ("missing_field", f"{field}: missing")
    assert refusal([LEAST, without]) == ("missing_field", f"[1].{field}: missing")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"latency": 0}, "latency: expected `float` > 0.0"),
        ({"latency": -1}, "latency: expected `float` > 0.0"),
        ({"latency": "fast"}, "latency: expected `float`, got `str`"),
        ({"latency": 1e10}, "latency: expected `float` <= 1000000000.0"),
        ({"model_type": "gpt"}, "model_type: expected one of llm, cv, tabular"),
        ({"model_id": ""}, "model_id: expected `str` of length >= 1"),
        ({"error_rate": 1.5}, "error_rate: expected `float` <= 1.0"),
        ({"throughput": -3}, "throughput: expected `float` >= 0.0"),
        ({"resource_usage": {"cpu_usage": 80}}, "resource_usage.cpu_usage: expected `float` <= 1.0"),
        ({"tags": {"a": [1]}}, "tags[...]: expected `bool | int | float | str | null`, got `array`"),
        ({"cost_dollars": -0.1}, "cost_dollars: expected `float` >= 0.0"),
        ({"tokens": {"input": 1.5}}, "tokens.input: expected `int`, got `float`"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_what_was_expected(wrong, reason):
    assert refusal(LEAST | wrong) == ("wrong_type", reason)


def test_a_number_that_no_float_holds_is_refused():
    assert refusal(b'{"model_id": "m", "latency": 1e999}')[0] == "wrong_type"


@pytest.mark.parametrize("body", [b"", b"  ", b"{", b"[{]", b"\xff", b'{"model_id": "\xff"}'])
def test_what_is_no_json_cannot_be_read(body):
    with pytest.raises(Unreadable):
        decode(body)


@pytest.mark.parametrize("body", [b'"m"', b"3", b"null", b"[3]", b"[" * 100_000])
def test_json_of_another_shape_is_refused(body):
    assert "expected `object`" in refusal(body)[1]


def test_more_samples_than_allowed_are_too_many():
    with pytest.raises(TooMany):
        decode([LEAST] * 4)


def test_the_instance_is_the_field_else_the_tag():
    assert [
        decode(LEAST | more)[0].pushed_by
        for more in ({}, {"tags": {"instance": "gpu-1"}}, {"instance": "a", "tags": {"instance": "b"}}, {"tags": None})
    ] == ["", "gpu-1", "a", ""]


@pytest.mark.parametrize("value", [1, 1.5, True, None, "1"])
def test_a_tag_comes_back_as_it_was_given(value):
    given = decode(LEAST | {"tags": {"n": value}})[0].tags["n"]
    assert (given, type(given)) == (value, type(value))
