"""What is wrong with the files that the section `access` names, for the check of the configuration."""

from collections.abc import Iterator

from exporter.access import AccessError
from exporter.access.files import read_secret
from exporter.access.keys import keys_file, load
from exporter.config import Config


def problems(config: Config) -> Iterator[tuple[tuple[str, ...], str]]:
    """The path of each key that cannot be used, and why. A key file that is not there yet is no problem."""
    try:
        load(keys_file(config))
    except AccessError as error:
        yield ("access", "keys_file"), str(error)
    if config.access.pseudonym_secret_file is not None:
        try:
            read_secret(config.access.pseudonym_secret_file)
        except AccessError as error:
            yield ("access", "pseudonym_secret_file"), str(error)
    if config.access.jwt is not None:
        from exporter.access.tokens import problem  # cryptography takes its time, and most have no tokens

        found = problem(config.access.jwt)
        if found is not None:
            name, text = found
            yield ("access", "jwt", *([name] if name else [])), text
