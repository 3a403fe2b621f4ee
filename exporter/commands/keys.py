"""`vedette keys create | list | revoke`."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from exporter.access import AccessError, keys
from exporter.commands import Failure
from exporter.commands.check import read_config
from exporter.config import MODEL_NAME


def create(options: argparse.Namespace) -> None:
    """Make a key and print it, once. Raises Failure."""
    path = keys.keys_file(read_config(options.config_file))
    models = None if options.models is None else _models(options.models)
    with _said():
        entry, secret = keys.create(
            path,
            options.scope,
            models=models,
            seconds=options.expires,
            name=options.name,
            now=_now(),
        )
    print(f"id      {entry.id}")
    print(f"key     {secret}")
    print("The key is not kept and cannot be shown again.")


def show(options: argparse.Namespace) -> None:
    """Print the keys there are, without anything secret. Raises Failure."""
    path = keys.keys_file(read_config(options.config_file))
    with _said():
        found = keys.load(path)
    now = _now()
    rows = [("ID", "STATE", "SCOPE", "MODELS", "CREATED", "EXPIRES", "NAME")]
    rows += [
        (
            key.id,
            key.state(now),
            key.scope,
            "all" if key.models is None else ",".join(key.models),
            f"{key.created:%Y-%m-%d}",
            f"{key.expires:%Y-%m-%d}" if key.expires else "never",
            key.name,
        )
        for key in found
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def revoke(options: argparse.Namespace) -> None:
    """Revoke a key; a service that runs knows within a second or two. Raises Failure."""
    path = keys.keys_file(read_config(options.config_file))
    with _said():
        keys.revoke(path, options.id, _now())
    print(f"{options.id} is revoked")


def _models(text: str) -> list[str]:
    """Names separated by commas. Raises Failure."""
    names = text.split(",")
    for name in names:
        if not MODEL_NAME.fullmatch(name):
            raise Failure(f"--models: {name!r} is no name of a model")
    return names


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@contextmanager
def _said() -> Iterator[None]:
    """What goes wrong, for people."""
    try:
        yield
    except AccessError as error:
        raise Failure(str(error)) from None
    except OverflowError:
        raise Failure("--expires: later than a date can be") from None
    except OSError as error:
        raise Failure(f"{error.filename}: {error.strerror}") from None
