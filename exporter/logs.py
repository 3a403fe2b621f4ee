"""The log: one line for each event, as logfmt or JSON, with the fields that were passed as `extra`.

    logger.warning("file failed", extra={"file": name, "reason": "malformed"})
    time=2026-01-31T12:00:00.000Z level=warn logger=exporter.sources.drop msg="file failed" file=a.csv reason=malformed

No content of a query belongs into a message or a field. Exceptions are logged by type and place, without their
text, which may quote the input; only those of the operating system keep it.
"""

import json
import logging
import re
import sys
import traceback
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, TextIO

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warn": logging.WARNING, "error": logging.ERROR}
#: what every record has: all else came in by `extra`. uvicorn adds a coloured copy of its messages.
STANDARD = {*vars(logging.makeLogRecord({})), "message", "asctime", "color_message"}
#: innermost calls that a line names
MAX_FRAMES = 20
BARE = re.compile(r'[^\s"=\\\x00-\x1f\x7f-\xa0\u2028\u2029]+')


def set_up_logging(level: str = "info", form: str = "logfmt", stream: TextIO | None = None) -> None:
    """Send all logs to the stream, standard error by default. uvicorn's too, if it is started with log_config=None.

    level: a key of LEVELS. form: a key of FORMATS.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(FORMATS[form]())
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(LEVELS[level])


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """What a line says, in its order. An extra field never takes the place of one of these: `level_`."""
    time = datetime.fromtimestamp(record.created, UTC)
    always = {
        "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "level": next(name for name, least in reversed(LEVELS.items()) if record.levelno >= least or name == "debug"),
        "logger": record.name,
        "msg": record.getMessage(),
        **_exception(record),
    }
    extra = {name: value for name, value in vars(record).items() if name not in STANDARD}
    return always | {f"{name}_" if name in always else name: value for name, value in extra.items()}


def _exception(record: logging.LogRecord) -> dict[str, str]:
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return {}
    frames = traceback.extract_tb(error.__traceback__)[: -MAX_FRAMES - 1 : -1]
    where = " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames)
    text = {"error": str(error)} if isinstance(error, OSError) else {}
    return {"exception": type(error).__name__, **text, "where": where}


class Logfmt(logging.Formatter):
    """key=value, in quotes where it needs them."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return " ".join(f"{name}={_logfmt(value)}" for name, value in fields(record).items())


class Json(logging.Formatter):
    """One JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        return json.dumps(fields(record), default=str)


FORMATS = {"logfmt": Logfmt, "json": Json}


def _logfmt(value: Any) -> str:
    text = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    return text if BARE.fullmatch(text) else json.dumps(text)
