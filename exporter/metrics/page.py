"""The page of a scrape: samples in blocks, each whole or not at all, within a bound."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, repeat

import numpy as np
from prometheus_client.core import Metric
from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from exporter.metrics.families import FAMILIES, PREFIX

#: name without the prefix, value, labels
Line = tuple[str, float, dict[str, str]]
_FULL = {family.name: PREFIX + family.name for family in FAMILIES}
NO_LABELS: dict[str, str] = {}


class Block:
    """Samples that belong together, by family."""

    def __init__(self) -> None:
        self.samples: defaultdict[str, list[Sample]] = defaultdict(list)

    def add(self, name: str, value: float, labels: dict[str, str] = NO_LABELS) -> None:
        """One sample of a counter or gauge."""
        self.samples[name].append(Sample(_FULL[name], labels, value))

    def add_lines(self, lines: Iterable[Line], labels: dict[str, str]) -> None:
        """Samples that come with labels of their own besides these."""
        for name, value, other in lines:
            self.add(name, value, {**labels, **other})

    def histogram(
        self,
        name: str,
        bounds: Sequence[str],
        counts: Sequence[int],
        total: float,
        labels: dict[str, str] = NO_LABELS,
        exemplars: Iterable[Exemplar | None] = repeat(None),
    ) -> None:
        """A histogram from the counts per bucket (not cumulated, +Inf last). bounds: as they stand in `le`."""
        full = _FULL[name]
        bucket, cumulated = full + "_bucket", list(accumulate(counts))
        samples = self.samples[name]
        samples += [
            Sample(bucket, {**labels, "le": bound}, count, None, exemplar)
            for bound, count, exemplar in zip(bounds, cumulated, exemplars, strict=False)
        ]
        samples.append(Sample(full + "_sum", labels, total))
        samples.append(Sample(full + "_count", labels, cumulated[-1]))


class Page:
    """The samples of one scrape, by family; a block of them goes on it whole or not at all."""

    def __init__(self, limit: int) -> None:
        self.limit, self.size, self.dropped = limit, 0, 0
        self._samples: dict[str, list[Sample]] = {}

    def add(self, block: Block) -> None:
        """Put a block on the page, or count it as dropped when it does not fit."""
        if not self.has_room(sum(map(len, block.samples.values()))):
            return
        for name, samples in block.samples.items():
            self._samples.setdefault(name, []).extend(samples)

    def has_room(self, size: int) -> bool:
        """Take room for so many samples, or count them as dropped."""
        if self.size + size > self.limit:
            self.dropped += size
            return False
        self.size += size
        return True

    def metrics(self) -> Iterator[Metric]:
        """The families in the order of the table, those without a sample left out."""
        for family in FAMILIES:
            if samples := self._samples.get(family.name):
                metric = Metric(PREFIX + family.name.removesuffix("_total"), family.help, family.type)
                metric.samples = samples
                yield metric


@lru_cache(maxsize=64)
def le_values(bounds: tuple[float, ...]) -> tuple[str, ...]:
    """Upper bounds of buckets as they stand in `le`, with +Inf behind them."""
    return tuple(floatToGoString(bound) for bound in (*bounds, np.inf))
