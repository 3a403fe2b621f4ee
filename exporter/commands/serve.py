"""`vedette serve` and `vedette check`."""

import argparse
import asyncio
import logging

from exporter.commands import Failure
from exporter.config import Config
from exporter.config_file import ConfigError, load
from exporter.logs import set_up_logging
from exporter.memory import settle

log = logging.getLogger(__name__)


def read(path: str | None) -> Config:
    """The configuration of a command. Raises Failure with all that is wrong."""
    try:
        return load(path)
    except ConfigError as error:
        raise Failure(str(error), says_where=True) from None


def check(options: argparse.Namespace) -> None:
    """Check the configuration and say so."""
    read(options.config_file)
    print(f"{options.config_file or 'the defaults'}: the configuration is good")


def serve(options: argparse.Namespace) -> None:
    """Run the exporter until SIGTERM."""
    if options.check:
        check(options)
        return
    config = read(options.config_file)
    set_up_logging(options.log_level, options.log_format)
    from exporter.app import ServeOptions, Service, listen  # FastAPI takes its time; only this command needs it

    host, port = options.address
    try:
        listener = listen(host, port)
    except OSError as error:
        reason = str(error.strerror).partition(" (while")[0]  # Python adds the address once more
        raise Failure(f"cannot listen on {host}:{port}: {reason}") from None
    settings = ServeOptions(host, port, options.telemetry_path, options.lifecycle)
    service = Service(config, lambda: load(options.config_file), settings)
    bound = listener.getsockname()
    log.info("listening", extra={"address": f"{bound[0]}:{bound[1]}"})
    settle()
    try:
        _run(service.run(listener))
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from None
    if service.pipeline.failure is not None:
        raise Failure(f"judging has failed: {type(service.pipeline.failure).__name__}; the log has the place")


def _run(main: object) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)  # type: ignore[arg-type]
