"""Custom metrics: what senders count themselves, under `vedette_custom_…`, within bounds.

A metric has one kind and one set of labels. The configuration declares them; where it declares none, the first sample
of a name does. All of them continue over a restart; a gauge is the largest that an instance pushed in the last five
minutes. What nobody pushes for a day is forgotten.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from prometheus_client.core import Metric
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from exporter.config import CUSTOM_BUCKETS, Config, CustomMetric
from exporter.formats import Refused
from exporter.formats.custom import CustomSample
from exporter.health.gauges import EXPIRY_SECONDS, PushedGauge
from exporter.health.once import Once

PREFIX = "vedette_custom_"
#: seconds after which a counter or histogram that nobody pushes is forgotten
FORGOTTEN_SECONDS = 86_400.0


class Declaration(NamedTuple):
    """What a name stands for; labels in order of name. buckets: upper bounds, of histograms."""

    kind: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...]
    help: str


#: a name and the values of its labels, in order
Key = tuple[str, tuple[str, ...]]


class Series:
    """One series: its sum, and what its kind needs besides. seen: when it was last pushed, seconds since 1970."""

    __slots__ = ("counts", "gauge", "seen", "total")

    def __init__(self, buckets: int, seen: float) -> None:
        self.total, self.counts, self.gauge, self.seen = 0.0, [0] * (buckets + 1), PushedGauge(), seen


class CustomMetrics:
    """All custom metrics. From any thread."""

    def __init__(self, config: Config) -> None:
        self._lock = threading.Lock()
        self._declared: dict[str, Declaration] = {}
        self._series: dict[Key, Series] = {}
        #: the samples that were counted, of those that have an id; used on the judging thread
        self.once = Once()
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Take over what the configuration declares; what is declared otherwise now begins anew."""
        configured = {metric.name: _configured(metric) for metric in config.custom_metrics}
        with self._lock:
            self._config, self._is_open = config, not configured
            before, self._declared = self._declared, configured or self._declared
            for key in [key for key in self._series if before.get(key[0]) != self._declared.get(key[0])]:
                del self._series[key]

    # -- at the intake

    def admit(self, samples: Sequence[CustomSample], now: float) -> None:
        """Make room for what the samples are of, all or nothing. Raises Refused."""
        with self._lock:
            declared, new = dict(self._declared), set[Key]()
            for sample in samples:
                declaration = declared.get(sample.name)
                if declaration is None:
                    declaration = declared[sample.name] = self._first(sample, len(declared))
                _check(sample, declaration)
                if _key(sample) not in self._series:
                    new.add(_key(sample))
            room = self._config.limits.custom_series - len(self._series)
            if len(new) > room:
                raise Refused("too_many_series", f"{len(new)} new series, limits.custom_series leaves {max(room, 0)}")
            self._declared = declared
            for key in new:
                self._series[key] = Series(len(declared[key[0]].buckets), now)

    def _first(self, sample: CustomSample, names: int) -> Declaration:
        if not self._is_open:
            raise Refused("unknown_metric", f"name: {sample.name} is not among custom_metrics of the configuration")
        if names >= self._config.limits.custom_metrics:
            raise Refused("unknown_metric", f"name: there are as many as limits.custom_metrics allows: {names}")
        return _declaration(sample)

    # -- on the judging thread

    def count(self, sample: CustomSample, sender: str, now: float) -> None:
        """Count a sample that was admitted; in a replay that was before. One of a known id is a retry."""
        if sample.id is not None and not self.once.is_first(sender, sample.id):
            return
        with self._lock:
            declaration = self._declared.setdefault(sample.name, _declaration(sample))
            if (declaration.kind, declaration.labels) != (sample.kind, tuple(sample.labels)):
                return  # taken before the configuration said otherwise
            series = self._series.get(_key(sample))
            if series is None:
                series = self._series[_key(sample)] = Series(len(declaration.buckets), now)
            series.seen = now
            if sample.kind == "gauge":
                series.gauge.push(sample.instance or sender, sample.value, now)
            else:
                series.total += sample.value
                series.counts[bisect_left(declaration.buckets, sample.value)] += 1

    def expire(self, now: float) -> None:
        """Forget what nobody pushes any more, and names of which nothing is left."""
        with self._lock:
            for key, series in list(self._series.items()):
                is_gauge = self._declared[key[0]].kind == "gauge"
                if now - series.seen > (EXPIRY_SECONDS if is_gauge else FORGOTTEN_SECONDS):
                    del self._series[key]
            if self._is_open:
                names = {name for name, _ in self._series}
                self._declared = {name: kept for name, kept in self._declared.items() if name in names}

    # -- over a restart, and on the page

    def dump(self) -> list[Any]:
        """All series."""
        with self._lock:
            return [
                [
                    name,
                    self._declared[name],
                    values,
                    series.total,
                    list(series.counts),
                    series.seen,
                    series.gauge.dump(),
                ]
                for (name, values), series in self._series.items()
            ]

    def load(self, state: Sequence[Any]) -> None:
        """Go on from a dump, where names stand for the same as then."""
        with self._lock:
            for name, declared, values, total, counts, seen, *gauge in state:  # a snapshot from before has no gauge
                declaration = Declaration(declared[0], tuple(declared[1]), tuple(declared[2]), declared[3])
                known = self._declared.setdefault(name, declaration) if self._is_open else self._declared.get(name)
                if known is not None and known[:3] == declaration[:3]:
                    series = self._series[name, tuple(values)] = Series(len(declaration.buckets), seen)
                    series.total, series.counts = total, list(counts)
                    series.gauge.load(gauge[0] if gauge else ())

    def count_anew(self) -> None:
        """Forget all series."""
        with self._lock:
            self._series.clear()

    def metrics(self, now: float) -> Iterator[Metric]:
        """The families, each with its series."""
        with self._lock:
            families: dict[str, Metric] = {}
            for (name, values), series in self._series.items():
                declared = self._declared[name]
                family = families.setdefault(name, Metric(PREFIX + name, declared.help or name, declared.kind))
                labels = dict(zip(declared.labels, values, strict=True))
                family.samples += _samples(PREFIX + name, declared, series, labels, now)
        return (family for family in families.values() if family.samples)


def _configured(metric: CustomMetric) -> Declaration:
    buckets = metric.buckets if metric.kind == "histogram" else ()
    return Declaration(metric.kind, tuple(sorted(metric.labels)), buckets, metric.help)


def _declaration(sample: CustomSample) -> Declaration:
    buckets = CUSTOM_BUCKETS if sample.kind == "histogram" else ()
    return Declaration(sample.kind, tuple(sample.labels), buckets, "")


def _key(sample: CustomSample) -> Key:
    return sample.name, tuple(sample.labels.values())


def _check(sample: CustomSample, declared: Declaration) -> None:
    if sample.kind != declared.kind:
        raise Refused("other_declaration", f"kind: {sample.name} is a {declared.kind}")
    if tuple(sample.labels) != declared.labels:
        raise Refused("other_declaration", f"labels: {sample.name} has {', '.join(declared.labels) or 'none'}")


def _samples(
    name: str, declared: Declaration, series: Series, labels: Mapping[str, str], now: float
) -> Iterator[Sample]:
    if declared.kind == "gauge":
        value = series.gauge.value(now)
        if value is not None:
            yield Sample(name, dict(labels), value)
        return
    if declared.kind == "counter":
        yield Sample(name + "_total", dict(labels), series.total)
        return
    count = 0
    for bound, observed in zip((*declared.buckets, float("inf")), series.counts, strict=True):
        count += observed
        yield Sample(name + "_bucket", {**labels, "le": floatToGoString(bound)}, count)
    yield Sample(name + "_sum", dict(labels), series.total)
    yield Sample(name + "_count", dict(labels), count)
