"""The version of the program."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("vedette")
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0.0.0"
