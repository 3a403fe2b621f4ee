"""`POST /api/v1/metrics/inference`, through the running server."""

import asyncio
import gzip
import json
import threading

import pytest

from exporter.config import Limits, Model
from exporter.formats import inference
from exporter.ledger import Ledger
from exporter.models import Models
from exporter.pipeline import Pipeline
from exporter.sources.samples import SampleIntake

SAMPLE = {"model_id": "default", "model_type": "llm", "request_id": "r", "latency": 250.0}
INFERENCES = 'vedette_inferences_total{model="default"}'


def rejected(page):
    return {name: value for name, value in page.items() if "samples_rejected" in name and value}


def test_a_sample_is_answered_201_and_counted(serve):
    exporter = serve()
    answer = exporter.measure(SAMPLE)
    assert (answer.status_code, answer.json()) == (201, {"status": "success", "message": "1 sample taken"})
    page = exporter.page()
    assert (page[INFERENCES], page['vedette_samples_accepted_total{source="inference"}']) == (1, 1)


def test_an_array_is_taken_whole(serve):
    exporter = serve()
    answer = exporter.measure([SAMPLE | {"request_id": str(number)} for number in range(5)])
    assert (answer.status_code, answer.json()["message"]) == (201, "5 samples taken")
    assert exporter.page()[INFERENCES] == 5
    assert exporter.measure(b" []").json()["message"] == "0 samples taken"


def test_one_wrong_sample_of_an_array_leaves_nothing_half_written(serve):
    exporter = serve()
    answer = exporter.measure([SAMPLE, SAMPLE | {"request_id": "s", "latency": -1}])
    assert (answer.status_code, answer.json()) == (422, {"detail": "[1].latency: expected `float` > 0.0"})
    page = exporter.page()
    assert page[INFERENCES] == 0
    assert rejected(page) == {'vedette_samples_rejected_total{reason="wrong_type",source="inference"}': 1}


def test_what_is_no_json_is_400_and_packed_bodies_are_unpacked(serve):
    exporter = serve()
    assert exporter.measure(b"latency=3").status_code == 400
    assert exporter.measure(gzip.compress(json.dumps(SAMPLE).encode())).status_code == 201
    assert exporter.measure(b"x", content_encoding="br").status_code == 415
    assert sum(rejected(exporter.page()).values()) == 2


def test_too_many_and_too_large_are_413(serve, config):
    exporter = serve(config(limits=Limits(body_queries=2, body_bytes=1000)))
    assert exporter.measure([SAMPLE] * 3).status_code == 413
    assert exporter.measure(b"[" + b" " * 1000 + b"]").status_code == 413
    assert rejected(exporter.page()) == {'vedette_samples_rejected_total{reason="too_large",source="inference"}': 4}


def test_a_large_body_is_read_beside_the_event_loop(serve):
    exporter = serve()
    samples = [SAMPLE | {"request_id": f"{number}", "tags": {"note": "x" * 200}} for number in range(3_000)]
    assert exporter.measure(samples).status_code == 201
    assert exporter.page()[INFERENCES] == 3_000


def test_a_sample_is_joined_to_a_query_that_was_pushed_before_or_after(serve):
    exporter = serve()
    exporter.push({"input": "x", "id": "before"})
    for request_id in ("before", "after"):
        exporter.measure(SAMPLE | {"request_id": request_id})
    exporter.push({"input": "x", "id": "after"})
    page = exporter.page()
    assert (page[INFERENCES], page['vedette_queries_total{model="default"}']) == (2, 2)
    assert page['vedette_inference_duration_seconds_count{model="default"}'] == 2


def test_before_it_is_ready_nothing_is_taken(serve):
    exporter = serve(is_ready=lambda: False)
    answer = exporter.measure(SAMPLE)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_without_room_in_the_queue_nothing_is_taken(serve, config):
    exporter = serve(config(limits=Limits(queue_queries=2)), judging=False)
    assert exporter.measure([SAMPLE, SAMPLE]).status_code == 201
    answer = exporter.measure(SAMPLE)
    assert (answer.status_code, "retry-after" in answer.headers) == (429, True)
    assert answer.json() == {"detail": "the queue is full; nothing was taken"}
    exporter.judge()
    page = exporter.page()
    assert (page[INFERENCES], page['vedette_samples_accepted_total{source="inference"}']) == (1, 2)


def test_another_method_is_answered_by_what_stands_behind(serve):
    assert serve().get("/api/v1/metrics/inference").status_code == 404


# -- the intake by itself


class Journal:
    """Keeps what is written, and settles it when told to."""

    def __init__(self):
        self.written, self.waiting = [], []

    def append(self, record, done):
        self.written.append(record)
        self.waiting.append(done)
        return len(self.written)


def taken(config, *bodies, error=None):
    """The statuses of bodies that come in one turn of the loop, and the journal."""
    pipeline = Pipeline(Models(config(models=(Model(name="m"),))), 100, 1 << 20)
    journal = Journal()
    intake = SampleIntake("inference", inference.decode, Ledger(pipeline, journal), Limits())

    async def run():
        answers = asyncio.gather(*(intake.take(*body) for body in bodies))
        while not journal.waiting:
            await asyncio.sleep(0)
        for done in journal.waiting:
            settling = threading.Thread(target=done, args=(error,))  # as the journal's thread does
            settling.start()
            settling.join()
        return await answers

    return [answer.status for answer in asyncio.run(run())], journal, pipeline


def body(**more):
    return json.dumps(SAMPLE | {"model_id": "m"} | more).encode()


def test_the_bodies_of_one_turn_and_sender_are_one_record_in_the_journal(config):
    several = b" [" + body(request_id="b") + b"," + body(request_id="c") + b"] "
    statuses, journal, pipeline = taken(
        config, (body(request_id="a"),), (several,), (body(request_id="d"), "key"), (body(latency=0),)
    )
    assert (statuses, len(journal.written)) == ([201, 201, 201, 422], 2)
    found = [(each.sender, [sample.request_id for sample in each.samples]) for each in pipeline.unjudged()]
    assert found == [("", ["a", "b", "c"]), ("key", ["d"])]


def test_what_cannot_be_written_is_507_and_not_counted(config):
    statuses, _, pipeline = taken(config, (body(),), error=OSError("no space"))
    assert (statuses, pipeline.unjudged()) == ([507], [])


@pytest.mark.parametrize(("models", "status"), [({"m"}, 201), ({"other"}, 403), (None, 201)])
def test_a_key_for_other_models_is_403(config, models, status):
    statuses, *_ = taken(config, (body(), "key", models), (body(),))
    assert statuses[0] == status


# -- true labels


def test_true_labels_are_answered_once_they_are_joined(serve):
    exporter = serve()
    exporter.push({"input": "x", "id": "q-1", "output": {"label": "a"}})
    told = [exporter.tell({"id": name, "label": "a"}) for name in ("q-1", "q-1")]
    assert [(answer.status_code, answer.json()) for answer in told] == [
        (200, {"status": "success", "joined": 1, "unknown": 0}),
        (200, {"status": "success", "joined": 0, "unknown": 1}),
    ]
    assert exporter.page()['vedette_model_accuracy_ratio{model="default"}'] == 1.0


def test_a_wrong_label_is_422_and_named_and_an_empty_array_changes_nothing(serve):
    exporter = serve()
    answer = exporter.tell([{"id": "q-1", "label": "a"}, {"id": "q-2"}])
    assert (answer.status_code, answer.json()) == (422, {"detail": "[1].label: missing"})
    assert exporter.tell([]).json() == {"status": "success", "joined": 0, "unknown": 0}
