"""Scrapes as Prometheus does, and adds up what `increase()` would."""

import threading
import time
from collections import defaultdict

import requests

from soak.service import Service

#: the families that a restart continues
CONTINUED = (
    "vedette_queries_total{",
    "vedette_suspicious_queries_total{",
    "vedette_queries_without_client_total{",
    "vedette_queries_id_reused_total{",
    "vedette_detector_judgements_total{",
    "vedette_detector_flags_total{",
    "vedette_client_alarms_total{",
)
EPOCH = "vedette_counter_epoch_timestamp_seconds"


class Scraper(threading.Thread):
    """By series: what it showed last and its increase. lower: values below the one before in one epoch.

    scrapes: those that were answered. slowest: seconds of the slowest of them.
    """

    def __init__(self, service: Service, every: float = 0.2) -> None:
        super().__init__(name="scraper")
        self._service, self._every = service, every
        self._stopping = threading.Event()
        self.last: dict[str, float] = defaultdict(float)
        self.increase: dict[str, float] = defaultdict(float)
        self.lower: list[str] = []
        self.epochs: list[float] = []
        self.scrapes = 0
        self.slowest = 0.0

    def run(self) -> None:
        while not self._stopping.wait(self._every):
            self.scrape()

    def scrape(self) -> None:
        """Scrape once; a service that is down is no news."""
        begun = time.monotonic()
        try:
            page = self._service.page()
        except requests.RequestException:
            return
        self.slowest = max(self.slowest, time.monotonic() - begun)
        self.scrapes += 1
        self._saw_epoch(page)
        for series, value in page.items():
            if series.startswith(CONTINUED):
                self._saw(series, value)

    def _saw_epoch(self, page: dict[str, float]) -> None:
        if EPOCH in page and self.epochs[-1:] != [page[EPOCH]]:
            self.epochs.append(page[EPOCH])
            self.last.clear()

    def _saw(self, series: str, value: float) -> None:
        before = self.last[series]
        self.increase[series] += value - before if value >= before else value
        if value < before:
            self.lower.append(f"{series} {before:.0f} -> {value:.0f}")
        self.last[series] = value

    def stop(self) -> None:
        """Scrape no more."""
        self._stopping.set()
        self.join()
