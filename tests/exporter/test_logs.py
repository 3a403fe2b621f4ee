"""The log: one line for each event, nothing of a query in it."""

import asyncio
import io
import json
import logging
import os
import re

import pytest
import uvicorn

from exporter import logs


@pytest.fixture(autouse=True)
def _restored():
    root = (logging.root.handlers[:], logging.root.level)
    yield
    logging.root.handlers[:], level = root
    logging.root.setLevel(level)


def lines(level, form, event):
    """What the event writes."""
    stream = io.StringIO()
    logs.set_up_logging(level, form, stream)
    event(logging.getLogger("exporter.test"))
    return stream.getvalue().splitlines()


def line(form, event):
    [text] = lines("debug", form, event)
    return text


def test_a_line_has_time_level_logger_message_and_fields():
    text = line("logfmt", lambda log: log.warning("file %s", "failed", extra={"file": "a.csv", "lines": 3}))
    assert re.fullmatch(
        r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=warn logger=exporter\.test "
        r'msg="file failed" file=a\.csv lines=3',
        text,
    )


def test_json_says_the_same():
    found = json.loads(line("json", lambda log: log.info("hello", extra={"file": "a.csv", "ok": True, "of": None})))
    assert found.pop("time").endswith("Z")
    assert found == {
        "level": "info",
        "logger": "exporter.test",
        "msg": "hello",
        "file": "a.csv",
        "ok": True,
        "of": None,
    }


def test_the_time_is_that_of_the_event_in_utc():
    record = logging.makeLogRecord({"created": 1_700_000_000.25, "levelno": logging.INFO})
    assert logs.fields(record)["time"] == "2023-11-14T22:13:20.250Z"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ('"', '"\\""'),
        ("a=b", '"a=b"'),
        ("a\nlevel=error", '"a\\nlevel=error"'),
        ("\x1b[31m", '"\\u001b[31m"'),
        ("\u2028", '"\\u2028"'),
        ("", '""'),
        (None, "null"),
        (True, "true"),
        (0.5, "0.5"),
    ],
)
def test_values_are_quoted_where_they_need_it(value, written):
    assert line("logfmt", lambda log: log.info("m", extra={"x": value})).endswith(f"msg=m x={written}")


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["debug", "info", "warn", "error", "error"]),
        ("info", ["info", "warn", "error", "error"]),
        ("warn", ["warn", "error", "error"]),
        ("error", ["error", "error"]),
    ],
)
def test_what_is_below_the_level_is_left_out(level, written):
    def event(log):
        for method in (log.debug, log.info, log.warning, log.error, log.critical):
            method("m")

    assert [json.loads(text)["level"] for text in lines(level, "json", event)] == written


def test_a_field_never_takes_the_place_of_the_level():
    found = json.loads(line("json", lambda log: log.info("m", extra={"level": "alarm"})))
    assert (found["level"], found["level_"]) == ("info", "alarm")


def test_an_exception_is_one_line_with_its_place_and_without_its_text():
    def event(log):
        try:
            float("the secret prompt")
        except ValueError:
            log.exception("failed")

    text = line("logfmt", event)
    assert "exception=ValueError" in text
    assert re.search(r'where="test_logs\.py:\d+ event"', text)
    assert "secret" not in text


def test_an_error_of_the_operating_system_keeps_its_text():
    def event(log):
        try:
            os.stat("/nonexistent/file")
        except OSError:
            log.exception("failed")

    assert json.loads(line("json", event))["error"] == "[Errno 2] No such file or directory: '/nonexistent/file'"


def test_a_deep_traceback_names_the_innermost_calls_only():
    def down(depth):
        return down(depth - 1) if depth else 1 / 0

    def event(log):
        try:
            down(100)
        except ZeroDivisionError:
            log.exception("failed")

    assert json.loads(line("json", event))["where"].count(" < ") == logs.MAX_FRAMES - 1


def test_setting_up_again_does_not_write_twice():
    logs.set_up_logging("info", "json", io.StringIO())
    assert len(lines("info", "logfmt", lambda log: log.info("once"))) == 1


def test_the_server_writes_its_lines_in_the_same_form(capsys):
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            for answer in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{answer}.complete"})

    async def start_and_stop(server):
        serving = asyncio.ensure_future(server.serve())
        while not server.started:
            await asyncio.sleep(0)
        server.should_exit = True
        await serving

    stream = io.StringIO()
    logs.set_up_logging("info", "json", stream)
    asyncio.run(start_and_stop(uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))))
    written = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert "Application startup complete." in [entry["msg"] for entry in written]
    assert {entry["logger"] for entry in written} == {"uvicorn.error"}
    assert "color_message" not in written[-1]
    assert capsys.readouterr().err == ""
