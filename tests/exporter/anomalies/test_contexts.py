"""Contexts that cannot be read: the others go on without them."""

import itertools

import numpy as np
import pytest

from exporter.anomalies.blocks import ReadError
from exporter.anomalies.contexts import ContextReader
from exporter.config.anomalies import Context
from tests.exporter.anomalies.conftest import NOW, STEP, Recorded

TIMES = np.arange(NOW, NOW + 3 * STEP, STEP)
GOOD, BROKEN = Context(kind="deployment", expr="deploying"), Context(kind="broken", expr="a * on (job) b")


class Picky(Recorded):
    """A server that refuses one expression."""

    def range(self, expr: str, *others: float, **more: object) -> dict:  # type: ignore[override, type-arg]
        if expr == BROKEN.expr:
            self.reads.append((expr, 0, 0))
            raise ReadError("expression", "context broken: many-to-many matching not allowed")
        return super().range(expr, *others, **more)  # type: ignore[arg-type]


@pytest.fixture
def server() -> Picky:
    made = Picky()
    made.add(GOOD.expr, lambda times: np.where(times == NOW + STEP, 1.0, 0.0))
    return made


@pytest.fixture
def reader() -> ContextReader:
    made = ContextReader()
    made.configure([BROKEN, GOOD])
    return made


def errors(reader: ContextReader) -> dict[tuple[str, str], float]:
    samples = [sample for found in reader.block().samples.values() for sample in found if sample.value]
    return {(sample.labels["query"], sample.labels["reason"]): sample.value for sample in samples}


def test_one_that_cannot_be_read_is_left_out_named_and_counted(
    reader: ContextReader, server: Picky, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert reader.read(server, TIMES, STEP).tolist() == ["", "deployment", ""]
    assert [(one.kind, str(error)) for one, error in reader.states() if error] == [
        ("broken", "context broken: many-to-many matching not allowed")
    ]
    assert errors(reader) == {("context:broken", "expression"): 2}
    [record] = caplog.records
    assert (record.getMessage(), record.context) == ("a context cannot be read", "broken")  # type: ignore[attr-defined]


@pytest.mark.parametrize(("seconds", "attempts"), [(0.0, 4), (15.0, 2), (30.0, 1)])
def test_live_reading_lets_it_rest_for_twice_as_long_as_it_took_to_fail(
    server: Picky, seconds: float, attempts: int
) -> None:
    timer = itertools.count(step=seconds) if seconds else itertools.repeat(0.0)
    reader = ContextReader(lambda: next(timer))
    reader.configure([BROKEN])
    for later in (0.0, 10.0, 30.0, 59.0):
        reader.read(server, TIMES, STEP, NOW + later)
    assert sum(expr == BROKEN.expr for expr, *_ in server.reads) == attempts
    reader.read(server, TIMES, STEP)  # learning asks in any case
    assert sum(expr == BROKEN.expr for expr, *_ in server.reads) == attempts + 1


def test_once_it_can_be_read_all_is_well(reader: ContextReader, server: Picky) -> None:
    server.broken = ReadError("unreachable", "context deployment: it is down")
    reader.read(server, TIMES, STEP)
    assert all(error for _, error in reader.states())
    server.broken = None
    reader.read(server, TIMES, STEP)
    assert [error is None for _, error in reader.states()] == [False, True]


@pytest.mark.parametrize(
    ("expression", "reason"), [("42", "expression"), ("sum(a", "expression"), ("a_total", "counter")]
)
def test_what_is_no_series_holds_at_no_time_and_is_not_asked_for(
    reader: ContextReader, server: Picky, expression: str, reason: str
) -> None:
    reader.configure([Context(kind="odd", expr=expression)])
    server.add(expression, np.ones_like)
    assert reader.read(server, TIMES, STEP).tolist() == ["", "", ""]
    assert server.reads == []
    assert errors(reader) == {("context:odd", reason): 1}
    [(_, error)] = reader.states()
    assert str(error).startswith("context odd: ")


def test_another_configuration_forgets_what_is_gone(reader: ContextReader, server: Picky) -> None:
    reader.read(server, TIMES, STEP)
    reader.configure([GOOD])
    assert reader.states() == [(GOOD, None)]
    reader.configure([GOOD, BROKEN])
    assert [error for _, error in reader.states()] == [None, None]
