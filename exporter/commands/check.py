"""`vedette check`, and how every command reads its configuration."""

import argparse

from exporter.commands import Failure
from exporter.config import Config
from exporter.config_file import ConfigError, load


def read_config(path: str | None) -> Config:
    """The configuration of a command. Raises Failure with all that is wrong."""
    try:
        return load(path)
    except ConfigError as error:
        raise Failure(str(error), says_where=True) from None


def check(options: argparse.Namespace) -> None:
    """Check the configuration and say so."""
    read_config(options.config_file)
    print(f"{options.config_file or 'the defaults'}: the configuration is good")
