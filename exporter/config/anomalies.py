"""The section `anomalies` of the file as a whole: which Prometheus is read, which queries are learned, how and when."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec

from detectors.series import SeriesOptions
from detectors.series.options import Algorithm, Direction, SeasonChoice
from exporter.config.records import Form, Record, text_that
from exporter.config.series import Anomalies, Deviation, Points, TimeZone
from exporter.config.units import Seconds
from exporter.config.yaml_lines import Path

DAY, WEEK = 86_400.0, 604_800.0
#: Prometheus' own default for how long a sample stands for the present
STEP_SECONDS = 60.0
NAME = re.compile(r"[A-Za-z0-9._:/@-]{1,128}", re.ASCII)
CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
#: headers that are set by other keys, or by the request itself
TAKEN_HEADERS = frozenset({"authorization", "host", "content-type", "content-length", "accept-encoding"})


def _server(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ValueError(value)
    if parts.query or parts.fragment or not re.fullmatch(r"[!-~]+", value):
        raise ValueError(value)
    return value.rstrip("/")


def _headers(value: Any) -> Any:
    if isinstance(value, dict):
        for name, text in value.items():
            if not re.fullmatch(r"[A-Za-z0-9-]+", name) or name.lower() in TAKEN_HEADERS:
                raise ValueError(name)
            if not isinstance(text, str) or not re.fullmatch(r"[ -~]*", text):
                raise ValueError(name)
    return value


Text = Annotated[str, msgspec.Meta(min_length=1), Form("a text that is not empty")]
Count = Annotated[int, msgspec.Meta(ge=1), Form("a whole number of at least 1")]
Score = Annotated[float, msgspec.Meta(gt=0), Form("a number above 0")]
Name = Annotated[str, Form("1 to 128 of the characters A-Z a-z 0-9 . _ : / @ -", text_that(NAME.fullmatch))]
Server = Annotated[str, Form("an address such as http://host:9090, without user, password and query", _server)]
Clock = Annotated[str, Form("a time of the day such as 02:30", text_that(CLOCK.fullmatch))]
Headers = Annotated[dict[str, str], Form("headers and their texts, such as X-Scope-OrgID: team-a", _headers)]
Preset = Literal["node", "http", "vedette"]
PRESETS: tuple[str, ...] = get_args(Preset)
#: the default of what stands in a query, where it is not a setting of how series are judged
SERIES_PER_QUERY = 500


class BasicAuth(Record, frozen=True, kw_only=True):
    """Who reads, with the password in a file of its own."""

    username: Text
    password_file: Text


class PrometheusServer(Record, frozen=True, kw_only=True):
    """The Prometheus, or what speaks its API, that queries are sent to. Files are read again when they change."""

    url: Server
    ca_file: Text | None = None
    cert_file: Text | None = None
    key_file: Text | None = None
    server_name: Text | None = None
    insecure_skip_verify: bool = False
    basic_auth: BasicAuth | None = None
    credentials_file: Text | None = None
    headers: Headers = msgspec.field(default_factory=dict)
    timeout: Seconds = 30.0
    retries: Points = 3


class SeverityLevels(Record, frozen=True, kw_only=True):
    """The least score of each severity. The lowest one is the line from which a point counts as odd."""

    low: Score = 1.0
    medium: Score = 1.5
    high: Score = 2.0
    critical: Score = 3.0

    def of(self, score: float) -> str | None:
        """The severity of a score; None below the lowest, and for NaN."""
        levels = (("critical", self.critical), ("high", self.high), ("medium", self.medium), ("low", self.low))
        return next((name for name, least in levels if score >= least), None)


class Context(Record, frozen=True, kw_only=True):
    """An expression that has a value while another normal holds, and what that is called."""

    kind: Name
    expr: Text


class Training(Record, frozen=True, kw_only=True):
    """From how much of the past queries learn, when, and how many versions of what they learned are kept."""

    window: Seconds = WEEK
    at: Clock = "02:00"
    spread: Seconds = 3 * 3600.0
    versions: Count = 5


class AnomalyQuery(Record, frozen=True, kw_only=True):
    """A PromQL expression whose series are learned. What is None holds from above."""

    name: Name
    expr: Text
    step: Seconds = STEP_SECONDS
    interval: Seconds | None = None
    lag: Seconds | None = None
    series: Count = SERIES_PER_QUERY
    group: Name | None = None
    algorithm: Algorithm | None = None
    direction: Direction | None = None
    min_deviation: Deviation | None = None
    min_deviation_ratio: Deviation | None = None
    season: SeasonChoice | None = None
    time_zone: TimeZone | None = None
    min_points: Count | None = None
    incidents_per_week: Count | None = None
    severity: SeverityLevels | None = None


class ResolvedQuery(Record, frozen=True, kw_only=True):
    """What holds for a query: its own keys, else those above. Times in seconds."""

    name: str
    expr: str
    step: float
    interval: float
    lag: float
    series: int
    group: str | None
    options: SeriesOptions
    min_points: int
    incidents_per_week: int
    severity: SeverityLevels

    @property
    def silence_seconds(self) -> float:
        """How old its last point may be before it counts as blind: three steps more than it ordinarily is."""
        return self.lag + self.interval + 3 * self.step


class LearnedNormal(Anomalies, frozen=True, kw_only=True):
    """The section. own: learn the exporter's own metrics, for which no Prometheus is needed."""

    own: bool = False
    prometheus: PrometheusServer | None = None
    presets: tuple[Preset, ...] = ()
    queries: tuple[AnomalyQuery, ...] = ()
    contexts: tuple[Context, ...] = ()
    group_by: Text = "instance"
    interval: Seconds = 60.0
    lag: Seconds = 60.0
    history_step: Seconds = 300.0
    min_points: Count = 1000
    incidents_per_week: Count = 7
    severity: SeverityLevels = SeverityLevels()
    training: Training = Training()

    def series_options(self) -> SeriesOptions:
        """How series are judged where a query says nothing else."""
        return SeriesOptions(**{name: getattr(self, name) for name in SeriesOptions.__struct_fields__})

    def resolved(self, query: AnomalyQuery) -> ResolvedQuery:
        """What holds for a query."""
        options = self.series_options()
        own = {name: getattr(query, name, None) for name in SeriesOptions.__struct_fields__}
        above = {
            name: getattr(query, name) or getattr(self, name)
            for name in ("interval", "lag", "min_points", "incidents_per_week", "severity")
        }
        return ResolvedQuery(
            name=query.name,
            expr=query.expr,
            step=query.step,
            series=query.series,
            group=query.group,
            options=msgspec.structs.replace(options, **{key: value for key, value in own.items() if value is not None}),
            **above,
        )


def problems(anomalies: LearnedNormal) -> Iterator[tuple[Path, str]]:
    """What is wrong although each key by itself is not: where it stands, and what was expected."""
    at: Path = ("anomalies",)
    if anomalies.prometheus is None:
        if anomalies.queries or anomalies.presets:
            what = "queries" if anomalies.queries else "presets"
            yield (*at, what), "nothing to read them from: missing anomalies.prometheus.url"
    else:
        if anomalies.own and "vedette" in anomalies.presets:
            yield (*at, "own"), "the preset vedette reads the same from Prometheus: leave one of the two out"
        yield from _of_server(anomalies.prometheus, (*at, "prometheus"))
    first: dict[str, int] = {}
    for index, query in enumerate(anomalies.queries):
        if query.name is not None and first.setdefault(query.name, index) != index:
            yield (
                (*at, "queries", index, "name"),
                f"{query.name!r} is already the name of queries[{first[query.name]}]",
            )
        yield from _of_query(query, (*at, "queries", index))
    yield from _of_groups(anomalies.queries, at)
    yield from _of_points(anomalies, at)
    if anomalies.contexts and anomalies.prometheus is None:
        yield (*at, "contexts"), "nothing to read them from: missing anomalies.prometheus.url"
    yield from _of_levels(anomalies.severity, (*at, "severity"))


def expression_problems(anomalies: LearnedNormal) -> Iterator[tuple[Path, str]]:
    """Expressions that cannot be learned: each the fault of one query or context, without which the others go on."""
    at: Path = ("anomalies",)
    for index, query in enumerate(anomalies.queries):
        yield from _of_expression(query.expr, f"{query.name}", (*at, "queries", index, "expr"))
    for index, context in enumerate(anomalies.contexts):
        yield from _of_expression(context.expr, f"context {context.kind}", (*at, "contexts", index, "expr"))


def _of_groups(queries: tuple[AnomalyQuery, ...], at: Path) -> Iterator[tuple[Path, str]]:
    """Members are judged at the same times, so that they need one step."""
    steps: dict[str, float] = {}
    for index, query in enumerate(queries):
        if query.group is not None and steps.setdefault(query.group, query.step) != query.step:
            text = f"expected the {steps[query.group]:g} s of the group {query.group}, got {query.step:g} s"
            yield (*at, "queries", index, "step"), text


def _of_points(anomalies: LearnedNormal, at: Path) -> Iterator[tuple[Path, str]]:
    """What is learned from has to hold the points that a series needs: else it warms up for ever."""
    past, needed = anomalies.training.window, anomalies.min_points
    if past is None or needed is None:
        return
    if (anomalies.own or anomalies.presets) and needed * STEP_SECONDS > past:
        text = f"expected at least {needed * STEP_SECONDS:g} s for {needed} points (min_points), got {past:g} s"
        yield (*at, "training", "window"), text
    for index, query in enumerate(anomalies.queries):
        own = query.min_points or needed
        if query.step is not None and own * query.step > past:
            text = f"expected at most {past // own:g} s for {own} points (min_points) in the {past:g} s of"
            yield (*at, "queries", index, "step"), f"{text} training.window, got {query.step:g} s"


def _of_server(server: PrometheusServer, at: Path) -> Iterator[tuple[Path, str]]:
    if (server.cert_file is None) != (server.key_file is None):
        yield at, "expected both cert_file and key_file, or neither"
    if server.basic_auth and server.credentials_file:
        yield at, "expected basic_auth or credentials_file, not both"
    if server.insecure_skip_verify and (server.ca_file or server.server_name):
        yield (*at, "insecure_skip_verify"), "contradicts ca_file and server_name, which are there to verify"


def _of_query(query: AnomalyQuery, at: Path) -> Iterator[tuple[Path, str]]:
    if query.step is not None and (query.step < STEP_SECONDS or query.step % 1):
        yield (*at, "step"), f"expected whole seconds and at least 1m, got {query.step:g} s"
    if query.severity is not None:
        yield from _of_levels(query.severity, (*at, "severity"))


def _of_expression(expression: str | None, name: str, at: Path) -> Iterator[tuple[Path, str]]:
    from exporter.promql import ExpressionError, check

    if expression is None:
        return
    try:
        check(expression)
    except ExpressionError as error:
        yield at, f"{name}: {error}"


def _of_levels(levels: SeverityLevels, at: Path) -> Iterator[tuple[Path, str]]:
    written = (levels.low, levels.medium, levels.high, levels.critical)
    if list(written) != sorted(written):
        yield at, "expected low <= medium <= high <= critical, got " + " ".join(f"{level:g}" for level in written)
