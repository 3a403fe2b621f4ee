"""The commands of the program, one file each."""


class Failure(Exception):
    """A command that did not do what was asked; the text is a line or more for people."""
