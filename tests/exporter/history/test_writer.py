"""Every kind of row goes into its table and comes out as it went in, on both databases."""

from typing import Any

import pytest
from sqlalchemy import select

from exporter.history.database import Database
from exporter.history.rows import (
    KINDS,
    ROWS,
    Anomaly,
    ClientAlarm,
    Drift,
    Finding,
    FlaggedQuery,
    InferenceSample,
    Kind,
    RollUp,
    Row,
)
from exporter.history.schema import TABLES
from exporter.history.sketch import Sketch
from exporter.history.writer import Prepared, prepared, write

FULL: dict[Kind, Row] = {
    "flagged_queries": FlaggedQuery(
        time=1.5,
        model="chat",
        version="2",
        client="key-1",
        query_id="q-1",
        detectors={"confidence": Finding(0.9, 0.8, "unsure")},
        content="where is it?",
    ),
    "client_alarms": ClientAlarm(
        time=2.25, model="chat", client="key-1", level="alarm", score=3.5, families=["variants"], reasons=["many"]
    ),
    "drift": Drift(
        time=3.0, model="chat", severity="high", confidence=0.9, feature="age", method="ks", score=0.4, p_value=1e-9
    ),
    "inference": InferenceSample(
        time=4.0, model="chat", model_type="llm", request_id="r", latency_seconds=0.2, tags={"a": 1}, tokens_input=5
    ),
    "rollups": RollUp(time=60.0, model="chat", queries=3, latency_count=2, latencies=Sketch([0.1, 0.2]).pack()),
    "anomalies": Anomaly(
        time=5.0, metric="cpu", series="ab", value=0.9, expected=0.2, score=2.5, severity="high", labels={"node": "a"}
    ),
}


def rows_of(database: Database, kind: Kind) -> list[dict[str, Any]]:
    table = TABLES[kind]
    with database.read() as connection:
        return [dict(row) for row in connection.execute(select(table).order_by(table.c.id)).mappings()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_comes_out_as_it_went_in(database: Database, kind: Kind) -> None:
    row = prepared(kind, FULL[kind], 7)
    assert write(database, [row]) == []
    [found] = rows_of(database, kind)
    assert {name: found[name] for name in row.values} == row.values


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_has_a_column_for_every_field_of_its_row(kind: Kind) -> None:
    assert set(ROWS[kind].__struct_fields__) <= {column.name for column in TABLES[kind].columns}


def test_a_batch_that_is_written_again_changes_nothing(database: Database) -> None:
    batch = [prepared("inference", FULL["inference"], number) for number in (1, 2)]
    assert write(database, batch) == write(database, batch) == []
    assert [row["id"] for row in rows_of(database, "inference")] == [1, 2]


def test_what_no_database_takes_is_taken_out_of_texts_and_numbers(database: Database) -> None:
    wild = InferenceSample(
        time=1.0,
        model="a\0b",
        request_id="half \ud800",
        latency_seconds=float("nan"),
        tags={"x\0": ["\udfff", float("inf")]},
    )
    assert write(database, [prepared("inference", wild, 1)]) == []
    [found] = rows_of(database, "inference")
    assert (found["model"], found["request_id"], found["latency_seconds"]) == ("a�b", "half ?", None)
    assert found["tags"] == {"x�": ["?", None]}


def test_a_row_that_no_table_takes_does_not_take_the_others_along(database: Database) -> None:
    def sample(number: int, tokens: int) -> Prepared:
        row = InferenceSample(time=1.0, model="chat", tokens_input=tokens)
        return prepared("inference", row, number)

    no_time = InferenceSample(time=float("nan"), model="chat")
    batch = [sample(1, 5), sample(2, 1 << 70), sample(3, 6), prepared("inference", no_time, 4), sample(5, 7)]
    assert [row.values["id"] for row in write(database, batch)] == [2, 4]
    assert [row["tokens_input"] for row in rows_of(database, "inference")] == [5, 6, 7]
