"""YAML text into plain data, with the line of every value and all that is wrong with it.

YAML 1.1 as PyYAML's safe loader reads it, but: duplicate keys are errors; keys are texts as they are written (`on`
and `1` too); dates stay texts; numbers are finite and fit into 64 bits; and `${NAME}` in a value is replaced from
the environment, `$$` being a plain `$`. What comes from the environment never appears in a problem.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgspec
import yaml

Path = tuple[str | int, ...]
Report = Callable[[Path, str], None]

#: bounds on one file; aliases count as often as they are used, so that a small file cannot unfold into a large one
MAX_CHARACTERS = 1 << 20
MAX_VALUES = 100_000
MAX_DEPTH = 50
MAX_PROBLEM_CHARACTERS = 500

TAG = "tag:yaml.org,2002:"
#: what a text that nobody quoted may look like; it is a text nevertheless
TEXTS = tuple(TAG + kind for kind in ("str", "timestamp", "value", "merge"))
SCALARS = tuple(TAG + kind for kind in ("null", "bool", "int", "float"))
REFERENCE = re.compile(r"\$\$|\$\{(?P<name>[^}]*)(?P<end>\}?)")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
PLAIN_KEY = re.compile(r"[\w:/@-]+", re.ASCII)


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a file. line: from 1; 0 where the file could not be read. key: `models[0].name`."""

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return f"{where}: {self.key}: {self.text}" if self.key else f"{where}: {self.text}"


class Document:
    """What a file holds: `data` (mappings, lists, texts, numbers; None for an empty file) and `problems` so far.

    Values that cannot be used are reported and left out of their mapping (None in a list).
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.data: Any = None
        self.problems: list[Problem] = []
        self.lines: dict[Path, int] = {(): 1}
        #: what the environment gave to a value, and the reference that stands in the file for it
        self.expanded: dict[Path, dict[str, str]] = {}
        self._reported: set[Path] = set()

    def report(self, path: Path, text: str, line: int | None = None) -> None:
        """Note what is wrong with the value at this path. The first problem of a value hides later ones."""
        if path in self._reported:
            return
        self._reported.add(path)
        text = self._concealed(path, text)
        if len(text) > MAX_PROBLEM_CHARACTERS:
            text = text[:MAX_PROBLEM_CHARACTERS] + "…"
        self.problems.append(Problem(self.name, line or self.line(path), key(path), text))

    def line(self, path: Path) -> int:
        """The line of the value, or of what is nearest above it where the file does not have it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]

    def _concealed(self, path: Path, text: str) -> str:
        for place, references in self.expanded.items():
            if place[: len(path)] == path or path[: len(place)] == place:
                for value, reference in references.items():
                    text = text.replace(value, reference).replace(repr(value)[1:-1], reference)
        return text


def key(path: Path) -> str:
    """A path as people write it: `models[0].name`. Keys with other characters are quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if PLAIN_KEY.fullmatch(part) else json.dumps(part[:100]))
    return text


def read(text: str, name: str, environment: Mapping[str, str]) -> Document:
    """The document in the text. name: how problems call the file. Never raises: look at `problems`."""
    document = Document(name)
    if len(text) > MAX_CHARACTERS:
        document.report((), f"larger than {MAX_CHARACTERS} characters")
        return document
    try:
        # the C loader would recurse on the C stack, where a hostile depth ends the process
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is not None:
            document.data = _Builder(document, loader, environment).value(root, ())
    except yaml.YAMLError as error:
        document.report((), *_syntax(error, text))
    except (ValueError, OverflowError):  # escapes such as "\UFFFFFFFF" and directives with absurd numbers
        document.report((), "not YAML: an escape or a number is out of range")
    except RecursionError:
        document.report((), f"nested more than {MAX_DEPTH} levels deep")
    except _TooMany:
        document.report((), f"more than {MAX_VALUES} values, aliases counted as often as they are used")
    return document


def _syntax(error: yaml.YAMLError, text: str) -> tuple[str, int]:
    """What is wrong, and on which line."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"not YAML: the character {chr(error.character)!r} is not allowed", line
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"not YAML: {' '.join(str(error).split())}", 1
    problem, mark = ", ".join(part for part in (error.context, error.problem) if part), error.problem_mark
    hint = "; indent with blanks, not with tabs" if "'\\t'" in problem else ""
    if text[: mark.index].endswith("$"):
        hint = '; inside [] and {} write "${NAME}" in quotes'
    return f"not YAML: {problem}{hint}", mark.line + 1


class _TooMany(Exception):
    """The document unfolds into more values than a configuration can have."""


class _Unusable(Exception):
    """The value cannot be used; why has been reported."""


class _Builder:
    """Walks the nodes of one document, in the order of the file."""

    def __init__(self, document: Document, loader: yaml.SafeLoader, environment: Mapping[str, str]) -> None:
        self._document, self._loader, self._environment = document, loader, environment
        self._values = 0

    def value(self, node: yaml.Node, path: Path) -> Any:
        """The plain value of a node; None where it cannot be used."""
        try:
            return self._value(node, path)
        except _Unusable:
            return None

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _TooMany
        line = self._document.lines.setdefault(path, node.start_mark.line + 1)
        if len(path) > MAX_DEPTH:
            self._refuse(path, f"nested more than {MAX_DEPTH} levels deep", line)
        if isinstance(node, yaml.MappingNode) and node.tag == TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == TAG + "seq":
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._refuse(path, f"the tag {node.tag!r} is not supported")

    def _refuse(self, path: Path, text: str, line: int | None = None) -> NoReturn:
        self._document.report(path, text, line)
        raise _Unusable

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, (key_node, value_node) in self._entries(node, path, 0).items():
            place = (*path, name)
            self._document.lines[place] = key_node.start_mark.line + 1
            try:
                found[name] = self._value(value_node, place)
            except _Unusable:
                continue
        return found

    def _entries(self, node: yaml.MappingNode, path: Path, merges: int) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The keys of a mapping with those merged by `<<`, which never replace one that is written."""
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == TAG + "merge":
                merged += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            elif not isinstance(key_node, yaml.ScalarNode) or not _is_text(key_node.value):
                self._document.report(path, "expected a text as key", line)
            elif key_node.value in own:
                first = own[key_node.value][0].start_mark.line + 1
                self._document.report((*path, key_node.value), f"duplicate key, first on line {first}", line)
            else:
                own[key_node.value] = (key_node, value_node)
        for other in merged:
            for name, entry in self._merged(other, path, merges + 1).items():
                own.setdefault(name, entry)
        return own

    def _merged(self, node: yaml.Node, path: Path, merges: int) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _TooMany
        if not isinstance(node, yaml.MappingNode) or merges > MAX_DEPTH:
            self._refuse(path, "expected a mapping, or a list of mappings, to merge", node.start_mark.line + 1)
        return self._entries(node, path, merges)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text, tag = node.value, node.tag
        if "$" in text:
            text = self._expand(text, path)
            if node.style is None and tag in TEXTS:  # as if the text stood in the file; in quotes it stays a text
                tag = self._loader.resolve(yaml.ScalarNode, text, (True, False))
        if tag in TEXTS:
            if not _is_text(text):
                self._refuse(path, "expected Unicode text without NUL characters")
            return text
        if tag not in SCALARS:
            self._refuse(path, f"the tag {tag!r} is not supported")
        return self._number(tag, text, path)

    def _number(self, tag: str, text: str, path: Path) -> Any:
        """A number, true, false or nothing."""
        try:
            value = self._loader.construct_object(yaml.ScalarNode(tag, text))
        except (ValueError, LookupError):
            self._refuse(path, f"{text!r} is no {tag.removeprefix(TAG)}")
        if isinstance(value, float) and not math.isfinite(value):
            self._refuse(path, "expected a finite number")
        if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            self._refuse(path, "expected a number of at most 64 bits")
        return value

    def _expand(self, text: str, path: Path) -> str:
        return REFERENCE.sub(lambda match: self._replacement(match, path), text)

    def _replacement(self, match: re.Match[str], path: Path) -> str:
        reference, name = match.group(), match.group("name")
        if reference == "$$":
            return "$"
        if not match.group("end") or not VARIABLE.fullmatch(name):
            self._refuse(path, f"expected ${{NAME}} with the name of an environment variable, got {reference!r}")
        value = self._environment.get(name)
        if value is None:
            self._refuse(path, f"the environment variable {name} is not set")
        if value:
            self._document.expanded.setdefault(path, {})[value] = reference
        return value or ""


def _is_text(text: str) -> bool:
    """No lone surrogates, which cannot be written anywhere, and no NUL, which ends a path."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
