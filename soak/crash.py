"""Ended again and again under load: every acknowledged query is judged once, and counters only go on."""

import random
import signal
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter.pipeline import Pipeline
from exporter.storage.secret import kept_secret
from soak.report import Report
from soak.scraper import Scraper
from soak.senders import Load
from soak.service import Service, eventually
from soak.truth import KeptJournal, differences, judged_at_once, recovered

CONFIG = """
models:
  - name: m
    modality: text
    detectors:
      - confidence
      - repetition: {{max_history_size: 5000}}
      - similarity: {{max_history_size: 2000}}
storage: {{path: {state}, snapshot_interval: 2s}}
sources: {{drop_directory: {{path: {drop}}}}}
"""
#: the share of kill -9 among the ends, by the name of the variant
KILLED = {"kill": 1.0, "term": 0.0, "mix": 0.8}
#: seconds between a start and the end of it: from before it is ready to long after
LIFE = (0.2, 2.5)
TOTAL = 'vedette_queries_total{model="m"}'


def crash(seconds: float = 60.0, ends: int = 20, how: str = "mix", seed: int = 0) -> Report:
    """Run the exporter for so long under load, ending it every second or so, and at least so often (by kill -9)."""
    rng = random.Random(seed)
    with TemporaryDirectory() as name:
        run = Run(Path(name))
        deadline = time.monotonic() + seconds
        wanted = signal.SIGTERM if how == "term" else signal.SIGKILL
        with run:
            while time.monotonic() < deadline or run.service.ends[wanted] < ends:
                time.sleep(rng.uniform(*LIFE))
                run.restart(signal.SIGKILL if rng.random() < KILLED[how] else signal.SIGTERM)
        report = Report(f"crash: {how}, {seconds:.0f} s, seed {seed}")
        run.conclude(report)
        return report


class Run:
    """The exporter under load and under watch; as a context, the load."""

    def __init__(self, folder: Path, disk: Path | None = None) -> None:
        disk = disk or folder
        self.state = disk / "state"
        self.service = Service(folder, CONFIG.format(state=self.state, drop=folder / "drop"))
        self.load = Load(self.service.url, folder / "drop")
        self.scraper = Scraper(self.service)
        self._journal = KeptJournal(self.state / "journal", disk / "kept")

    def __enter__(self) -> "Run":
        self.service.start()
        self.scraper.start()
        self.load.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.load.stop()
        if error[0] is not None:
            self.scraper.stop()
            self.service.end(signal.SIGKILL)

    def restart(self, how: signal.Signals) -> None:
        """End the process, keep its journal, and start the next one."""
        self.service.end(how)
        self._journal.keep()
        self.service.start()

    def conclude(self, report: Report) -> None:
        """Settle, send again what was not acknowledged, stop, and hold what there is against what should be."""
        acknowledged = self.load.acknowledged()
        judged = self._settled()
        self.load.send_rest()
        then = self._settled()
        self.scraper.stop()
        ends = dict(self.service.ends)
        self.service.end(signal.SIGTERM)
        self._journal.keep()
        truth, times = judged_at_once(self.service.config_file, self._journal, kept_secret(self.state))
        for how in (signal.SIGKILL, signal.SIGTERM):
            report.figure(f"ended by {how.name}", ends[how])
        self._count(report, acknowledged, judged, then, times)
        self._watch(report, truth)
        differing = differences(recovered(self.service.config_file, self.state), truth)
        report.figure("counts and windows unlike an uninterrupted run", len(differing))
        report.problems += [f"other than in an uninterrupted run: {what}" for what in differing]
        report.problems += [f"a bad end: {what}" for what in self.service.ended_badly]

    def _settled(self) -> int:
        """The counter, once all files are read and the queue is empty."""
        eventually("the service to be ready", self.service.is_ready)
        eventually("all files to be read", self.load.dropper.is_read)
        self.service.settle()
        self.scraper.scrape()
        return int(self.service.page()[TOTAL])

    def _count(self, report: Report, acknowledged: set[str], judged: int, then: int, times: Counter[str]) -> None:
        tried, dropped = self.load.tried(), self.load.dropper.dropped
        everything = [*tried, *dropped]
        lost = [name for name in [*acknowledged, *dropped] if not times[name]]
        twice = [name for name, count in times.items() if count > 1]
        report.figure("queries sent with an id", len(tried))
        report.figure("acknowledged before the retries", len(acknowledged))
        report.figure("lines of drop files", len(dropped))
        report.figure("counter before the retries", judged)
        report.figure("counter after the retries", then)
        report.figure("different queries sent", len(set(everything)))
        report.figure("acknowledged and not judged", len(lost))
        report.figure("judged twice", len(twice))
        report.promise(not lost, f"{len(lost)} acknowledged queries were not judged, {lost[:3]} among them")
        report.promise(not twice, f"{len(twice)} queries were judged twice, {twice[:3]} among them")
        report.promise(judged >= len(acknowledged) + len(dropped), "the counter is below what was acknowledged")
        report.promise(judged <= len(everything), "the counter is above what was sent")
        report.promise(then == len(set(everything)), "after the retries not every query counts exactly once")
        report.promise(set(everything) == set(times), "the journal holds other queries than were sent")

    def _watch(self, report: Report, truth: Pipeline) -> None:
        scraper = self.scraper
        report.figure("scrapes answered", scraper.scrapes)
        report.figure("epochs of the counters", len(scraper.epochs))
        report.figure("values below the one before", len(scraper.lower))
        report.promise(len(scraper.epochs) == 1, f"the counters began anew: epochs {scraper.epochs}")
        report.promise(not scraper.lower, f"a counter came back lower: {scraper.lower[:3]}")
        for series, true in _counters(truth).items():
            increase = int(scraper.increase.get(series, -1))
            report.figure(f"increase of {series.removeprefix('vedette_')}", f"{increase} of {true}")
            report.promise(increase <= true, f"increase({series}) is {increase}, above the true {true}")
            report.promise(increase >= 0, f"{series} was never scraped")


def _counters(truth: Pipeline) -> dict[str, int]:
    """What the counters of the model should be at the end, by series."""
    model = truth.models.by_label["m"]
    counters = {
        TOTAL: model.queries,
        'vedette_suspicious_queries_total{model="m"}': model.suspicious,
        'vedette_queries_without_client_total{model="m"}': model.without_client,
    }
    if model.suspicion is not None:
        for family, count in model.suspicion.counts.alarms.items():
            counters[f'vedette_client_alarms_total{{family="{family}",model="m"}}'] = count
    for tally in model.tallies:
        labels = f'{{detector="{tally.name}",model="m"}}'
        counters[f"vedette_detector_judgements_total{labels}"] = tally.judgements
        counters[f"vedette_detector_flags_total{labels}"] = tally.flags
    return counters
