"""Models that are registered, and the file that they stand in."""

import errno

import msgspec
import pytest

from exporter.config import Config, Limits, Model, Objectives, Prices, Thresholds
from exporter.registration import MODALITIES, RegisteredModel, Registrations, Wrong, decode, listed
from exporter.storage.files import Files

LEAST = {"id": "bot", "name": "Bot", "model_type": "llm"}
WHOLE = LEAST | {
    "version": "3",
    "environment": "prod",
    "thresholds": {"latency": 2000, "error_rate": 0.02, "cost_per_hour": 5},
    "objectives": {"availability": 0.999},
    "prices": {"output_token": 1e-6},
}


def registration(**more):
    return decode(msgspec.json.encode(LEAST | more))


def reason(body):
    with pytest.raises(Wrong) as error:
        decode(body if isinstance(body, bytes) else msgspec.json.encode(body))
    return str(error.value)


def test_a_registration_is_a_model_of_the_configuration_with_its_latency_in_seconds():
    assert registration(**WHOLE).model() == RegisteredModel(
        name="bot",
        version="3",
        modality="text",
        environment="prod",
        thresholds=Thresholds(latency=2.0, error_rate=0.02, cost_per_hour=5.0),
        objectives=Objectives(availability=0.999),
        prices=Prices(output_token=1e-6),
    )


def test_what_is_left_out_is_as_in_the_configuration():
    assert registration().model() == RegisteredModel(name="bot", modality="text")


@pytest.mark.parametrize("field", LEAST)
def test_a_field_that_is_missing_is_named(field):
    assert reason({name: value for name, value in LEAST.items() if name != field}) == f"{field}: missing"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"id": "a b"}, "id: expected 1 to 128 of the characters"),
        ({"id": "other"}, "id: expected 1 to 128 of the characters"),
        ({"name": ""}, "name: expected `str` of length >= 1"),
        ({"model_type": "gpt"}, "model_type: expected one of llm, cv, tabular"),
        ({"environment": "test"}, "environment: expected one of dev, staging, prod"),
        ({"version": 3}, "version: expected `str`, got `int`"),
        ({"thresholds": {"latency": 0}}, "thresholds.latency: expected `float` > 0.0"),
        ({"thresholds": {"gpu_memory": 80}}, "thresholds.gpu_memory: expected `float` <= 1.0"),
        ({"thresholds": {"latncy": 3}}, "thresholds.latncy: unknown field"),
        ({"treshold": {"latency": 3}}, "treshold: unknown field"),
        ({"objectives": {"availability": 1}}, "objectives.availability: expected `float` < 1.0"),
        ({"prices": {"request": -1}}, "prices.request: expected `float` >= 0.0"),
    ],
)
def test_a_field_that_is_wrong_is_named_with_what_was_expected(wrong, words):
    assert reason(LEAST | wrong).startswith(words)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_wrong(body):
    assert "body" in reason(body)


# -- the file


def test_registered_models_come_back(tmp_path):
    first = Registrations(tmp_path / "state" / "models")
    for name in ("a", "b", "a"):
        first.add(registration(id=name, version=name))
    again = Registrations(tmp_path / "state" / "models")
    assert again.by_id == first.by_id
    assert list(again.by_id) == ["a", "b"]


class NoRoom(Files):
    def write(self, descriptor, content):
        raise OSError(errno.ENOSPC, "no space")


def test_what_cannot_be_written_changes_nothing(tmp_path):
    kept = Registrations(tmp_path)
    kept.add(registration(id="a"))
    full = Registrations(tmp_path, NoRoom())
    with pytest.raises(OSError, match="no space"):
        full.add(registration(id="b"))
    assert list(full.by_id) == list(Registrations(tmp_path).by_id) == ["a"]


@pytest.mark.parametrize(
    ("content", "words"), [(b"{", "damaged"), (b'{"version": 2, "models": []}', "of version 2, expected 1")]
)
def test_a_file_that_cannot_be_read_stops_the_start(tmp_path, content, words):
    (tmp_path / "registered.json").write_bytes(content)
    with pytest.raises(OSError, match=words):
        Registrations(tmp_path)


# -- together with the configuration


def registered(tmp_path, *names):
    found = Registrations(tmp_path)
    for name in names:
        found.add(registration(id=name))
    return found


def test_the_configuration_comes_first_and_its_word_holds(tmp_path):
    config = Config(models=(Model(name="a", version="7"),))
    merged = registered(tmp_path, "b", "a").merged(config)
    assert [(model.name, model.version) for model in merged.models] == [("a", "7"), ("b", "")]


def test_no_more_are_watched_than_there_are_labels(tmp_path):
    found = registered(tmp_path, "b", "c")
    config = Config(models=(Model(name="a"),), limits=Limits(models=2))
    assert [model.name for model in found.merged(config).models] == ["a", "b"]
    with pytest.raises(Wrong, match=r"limits\.models allows: 3"):
        found.check(registration(id="d"), Config(models=(Model(name="a"),), limits=Limits(models=3)))
    found.check(registration(id="c"), Config(models=(Model(name="a"),), limits=Limits(models=3)))


def test_a_model_of_the_configuration_cannot_be_registered(tmp_path):
    with pytest.raises(Wrong, match="id: the configuration names this model"):
        registered(tmp_path).check(registration(id="a"), Config(models=(Model(name="a"),)))


def test_the_list_says_of_each_model_where_it_comes_from(tmp_path):
    found = registered(tmp_path, "b")
    config = found.merged(Config(models=(Model(name="a", modality="image", thresholds=Thresholds(latency=0.3)),)))
    a, b = listed(config, found)
    assert (a["id"], a["model_type"], a["source"], a["kind"]) == ("a", "cv", "configuration", "model")
    assert a["thresholds"]["latency"] == 300
    assert (b["name"], b["model_type"], b["source"]) == ("Bot", "llm", "registered")


def test_every_model_type_has_a_modality():
    assert [registration(model_type=name).model().modality for name in MODALITIES] == ["text", "image", "tabular"]
