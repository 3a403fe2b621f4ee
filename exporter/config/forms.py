"""How single values of the file are written, and what they have to be."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from exporter.config.records import Form, text_that

#: the label value under which models beyond the limit are counted together
RESERVED_MODEL = "other"
MODEL_NAME = re.compile(r"[A-Za-z0-9._:/@-]{1,128}", re.ASCII)
CUSTOM_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}$", re.ASCII)
#: what the names of the series of a counter or a histogram end in: another metric of such a name would be one of them
RESERVED_ENDINGS = ("_total", "_bucket", "_sum", "_count", "_created")
CUSTOM_LABEL = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
#: an origin as browsers send it
ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+")
#: labels that Prometheus, the rules or a histogram need for themselves
RESERVED_LABELS = frozenset(
    {"deployment", "endpoint", "namespace", "service", "pod", "container", "job", "instance"}
) | {*("severity", "alertname", "type", "env", "le", "quantile")}


def _is_model_name(text: str) -> bool:
    return text != RESERVED_MODEL and bool(MODEL_NAME.fullmatch(text))


def _is_custom_name(text: str) -> bool:
    return bool(CUSTOM_NAME.fullmatch(text)) and not text.endswith(RESERVED_ENDINGS)


def _is_label_name(text: str) -> bool:
    return text not in RESERVED_LABELS and bool(CUSTOM_LABEL.fullmatch(text))


def _is_database(text: str) -> bool:
    """An address of PostgreSQL, or of a file of SQLite."""
    parts = urlsplit(text)
    is_postgresql = parts.scheme == "postgresql" and bool(parts.hostname)
    return is_postgresql or bool(re.fullmatch(r"sqlite:////[^/?]+.*", text))


def _address(value: Any) -> Any:
    """An address to which paths can be appended: without a slash at the end."""
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(value)
    if "@" in parts.netloc or parts.query or parts.fragment or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(value)
    return value.rstrip("/")


Ratio = Annotated[float, msgspec.Meta(gt=0, le=1), Form("a number above 0 and at most 1")]
Count = Annotated[int, msgspec.Meta(ge=1), Form("a whole number of at least 1")]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1), Form("a number between 0 and 1, such as 0.999")]
Price = Annotated[float, msgspec.Meta(ge=0, le=1e6), Form("dollars, from 0 to a million")]
Rate = Annotated[float, msgspec.Meta(gt=0), Form("a number above 0")]
Text = Annotated[str, msgspec.Meta(min_length=1), Form("a text that is not empty")]
Address = Annotated[str, Form("an address such as http://host:3000, without user, password and query", _address)]
ModelName = Annotated[
    str, Form("1 to 128 of the characters A-Z a-z 0-9 . _ : / @ -, and not 'other'", text_that(_is_model_name))
]
DatabaseUrl = Annotated[
    str, Form("postgresql://user@host:5432/database or sqlite:////folder/file", text_that(_is_database))
]
CustomName = Annotated[
    str,
    Form(
        "a name of a-z, 0-9 and _ without prefix, _total, _bucket, _sum, _count and _created",
        text_that(_is_custom_name),
    ),
]
LabelName = Annotated[str, Form("a label name of a-z, 0-9 and _ that is not reserved", text_that(_is_label_name))]
Origin = Annotated[str, Form("an origin such as https://host:3000, without a path", text_that(ORIGIN.fullmatch))]
Modality = Literal["text", "image", "tabular", "embedding", "auto"]
Profile = Literal["default", "strict", "stream"]
Season = Literal["none", "day", "week"]
Environment = Literal["dev", "staging", "prod"]
