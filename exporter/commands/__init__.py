"""The commands of the program, one file each."""


class Failure(Exception):
    """A command that did not do what was asked; the text is a line or more for people.

    says_where: whether its lines begin with file and line, which editors and CI follow; nothing may precede them.
    """

    def __init__(self, text: str, says_where: bool = False) -> None:
        super().__init__(text)
        self.says_where = says_where


class Usage(Failure):
    """Options that do not go together."""
