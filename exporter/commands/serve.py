"""`vedette serve`."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Coroutine
from typing import Any

from exporter.access import AccessError
from exporter.commands import Failure
from exporter.commands.check import check, read_config, read_web
from exporter.config.yaml_lines import Problem
from exporter.config_file import load
from exporter.http.web_config import warnings
from exporter.logs import set_up_logging
from exporter.memory import settle, share
from exporter.storage.journal import StateInUse

log = logging.getLogger(__name__)
#: after so long the judging thread lets others on: health and metrics are answered under overload too
SWITCH_SECONDS = 0.001


def serve(options: argparse.Namespace) -> None:
    """Run the exporter until SIGTERM."""
    if options.check:
        check(options)
        return
    share()
    unlearnable: list[Problem] = []
    config = read_config(options.config_file, unlearnable.append)
    set_up_logging(options.log_level, options.log_format)
    for problem in unlearnable:
        log.error("an expression cannot be learned, the others go on", extra={"reason": str(problem)})
    web = read_web(options.web_config_file)
    for sentence in warnings(web.current().config) if web else ():
        log.warning(sentence)
    from exporter.app import ServeOptions, Service, listen  # FastAPI takes its time; only this command needs it

    host, port = options.address
    try:
        listener = listen(host, port)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # Python adds the address once more
        raise Failure(f"cannot listen on {host}:{port}: {reason}") from None
    settings = ServeOptions(host, port, options.telemetry_path, options.lifecycle, web)
    try:
        service = Service(config, lambda: load(options.config_file), settings)
    except (StateInUse, AccessError) as error:
        listener.close()
        raise Failure(str(error)) from None
    except ValueError as error:  # a damaged file of the state
        listener.close()
        raise Failure(f"storage.path: {error}") from None
    except OSError as error:
        raise Failure(f"storage.path: {error.filename or config.storage.path}: {error.strerror}") from None
    bound = listener.getsockname()
    log.info("listening", extra={"address": f"{bound[0]}:{bound[1]}"})
    settle()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        _run(service.run(listener))
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from None
    if service.failure is not None:
        raise Failure(f"the start has failed: {service.failure}")
    if service.pipeline.failure is not None:
        raise Failure(f"judging has failed: {type(service.pipeline.failure).__name__}; the log has the place")


def _run(main: Coroutine[Any, Any, None]) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)
