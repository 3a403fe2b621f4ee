"""The collector: reads what the program counted and hands a page to Prometheus' library, fresh at each scrape."""

from collections.abc import Iterator, Sequence
from itertools import chain

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from exporter.metrics.exposed import Exposed
from exporter.metrics.models import Copied, copied, of_model, of_top
from exporter.metrics.page import Block, Page
from exporter.metrics.service import Judging, of_service
from exporter.unweighed import CLIENTS

#: samples that say how large the page itself is
ABOUT = 2


class VedetteCollector(Collector):
    """Fills the table from what the program counted, at each scrape.

    process: collectors of what the process itself uses; their series count too, and are never left out.
    """

    def __init__(self, exposed: Exposed, process: Sequence[Collector] = ()) -> None:
        self._exposed, self._process = exposed, process

    def collect(self) -> Iterator[Metric]:
        """The families of one page. Judging waits only while the counts are copied."""
        exposed = self._exposed
        process = [metric for collector in self._process for metric in collector.collect()]
        page = Page(exposed.config.limits.series)
        page.size = sum(len(metric.samples) for metric in process) + ABOUT
        wall, is_replaying = exposed.clock(), exposed.is_replaying
        for block in _blocks(exposed, wall, is_replaying):
            page.add(block)
        custom = [] if is_replaying else exposed.pipeline.samples.custom.metrics(wall)
        custom = [metric for metric in custom if page.has_room(len(metric.samples))]
        exposed.series_dropped += page.dropped
        page.size -= ABOUT
        page.add(_about(page, exposed))
        return chain(page.metrics(), custom, process)


def _blocks(exposed: Exposed, wall: float, is_replaying: bool) -> Iterator[Block]:
    """What goes on the page, the most important first. While the journal is judged again, no model is shown."""
    with exposed.pipeline.weighed(parts=1):
        models = [] if is_replaying else list(exposed.pipeline.models.by_label.values())
        copies = copied(models, wall, exposed.shown)
        ahead = max((model.ahead for model in models), default=0.0)
        judging = _judging(exposed, copies, ahead, is_replaying)
    yield of_service(exposed, judging)
    yield from map(of_model, copies)
    yield from map(of_top, copies)
    yield from exposed.blocks()


def _judging(exposed: Exposed, copies: Sequence[Copied], ahead: float, is_replaying: bool) -> Judging:
    pipeline = exposed.pipeline
    watching = {tally.name: 0.0 for copy in copies for tally, _ in copy.tallies} | {CLIENTS: 0.0}
    seconds = {} if is_replaying else watching | pipeline.models.seconds
    return Judging(seconds, list(pipeline.delays), pipeline.delay_sum, ahead)


def _about(page: Page, exposed: Exposed) -> Block:
    block = Block()
    block.add("series", page.size + ABOUT)
    block.add("series_dropped_total", exposed.series_dropped)
    return block
