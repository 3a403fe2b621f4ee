"""`vedette check`, and how every command reads its configuration."""

import argparse

from exporter.commands import Failure
from exporter.config import Config
from exporter.config.yaml_lines import Problem
from exporter.config_file import ConfigError, Tolerate, load
from exporter.http.tls import WebFile
from exporter.http.web_config import warnings


def _go_on(problem: Problem) -> None:
    """An expression that cannot be learned keeps the exporter from nothing else, and a command neither."""


def read_config(path: str | None, tolerate: Tolerate | None = _go_on) -> Config:
    """The configuration of a command. Raises Failure with all that is wrong.

    tolerate: told of expressions that cannot be learned; None where they are a failure too.
    """
    try:
        return load(path, tolerate=tolerate)
    except ConfigError as error:
        raise Failure(str(error), says_where=True) from None


def read_web(path: str | None) -> WebFile | None:
    """The web configuration of a command, where it has one. Raises Failure with all that is wrong."""
    try:
        return None if path is None else WebFile(path)
    except ConfigError as error:
        raise Failure(str(error), says_where=True) from None


def check(options: argparse.Namespace) -> None:
    """Check the configuration, and the web configuration where it is named, and say so."""
    read_config(options.config_file, tolerate=None)
    if web := read_web(options.web_config_file):
        for sentence in warnings(web.current().config):
            print(f"{options.web_config_file}: warning: {sentence}")
        print(f"{options.web_config_file}: the web configuration is good")
    print(f"{options.config_file or 'the defaults'}: the configuration is good")
