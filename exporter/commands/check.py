"""`vedette check`, and how every command reads its configuration."""

import argparse

from exporter.commands import Failure
from exporter.config import Config
from exporter.config_file import ConfigError, Tolerate, load
from exporter.http.tls import WebFile
from exporter.http.web_config import warnings


def read_config(path: str | None, tolerate: Tolerate | None = None) -> Config:
    """The configuration of a command. Raises Failure with all that is wrong.

    tolerate: told of expressions that cannot be learned, which are no failure then.
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
    read_config(options.config_file)
    if web := read_web(options.web_config_file):
        for sentence in warnings(web.current().config):
            print(f"{options.web_config_file}: warning: {sentence}")
        print(f"{options.web_config_file}: the web configuration is good")
    print(f"{options.config_file or 'the defaults'}: the configuration is good")
