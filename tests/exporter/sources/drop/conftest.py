"""A drop directory that is driven by hand, and what is dropped into it."""

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exporter.config import Limits
from exporter.sources.drop.directory import DropDirectory

LIMITS = Limits(body_bytes=4096, image_pixels=10_000)


class Desk:
    """A drop directory that is driven by hand, with a clock of its own; deliveries wait in `handed` to be judged."""

    def __init__(self, folder, **options):
        self.folder, self.positions = Path(folder) / "drop", []
        self.folder.mkdir(exist_ok=True)
        self.now = 1000.0
        self.options = options
        self.restart()

    def restart(self):
        """A new process on the same folder, with the positions of the last stop."""
        options = {"watching": False, "clock": lambda: 1e9, "steady": lambda: self.now, **self.options}
        self.source = DropDirectory(self.folder, LIMITS, **options)
        self.queries = self.source.queries
        self.queries.seek(self.positions)
        self.handed = []

    def drop(self, name, content):
        """A file that is moved in whole."""
        part = self.folder / ".part"
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.rename(self.folder / name)

    def settle(self):
        """See what is there, and let the settling time pass."""
        self.now += 3.0
        self.poll()
        self.now += 3.0

    def poll(self, most=10**9):
        """Read on; the deliveries that came."""
        came = []
        while len(came) < most and (delivery := self.queries.poll()):
            came.append(delivery)
        self.handed += came
        return came

    def judge(self):
        """Judge what was handed over; the queries."""
        handed, self.handed = self.handed, []
        for delivery in handed:
            delivery.done(())
        return [query for delivery in handed for query in delivery.queries]

    def read(self):
        """Wait until the files are complete, read and judge them all; the queries."""
        self.settle()
        self.poll()
        queries = self.judge()
        self.poll()
        return queries

    def stop(self, timeout=10.0):
        """Stop, and keep the positions; whether nothing was left to judge."""
        stopped = self.source.stop(timeout)
        self.positions = self.queries.kept([])
        return stopped

    def inputs(self):
        return [query.input_data for query in self.read()]

    def names(self, folder="."):
        return sorted(os.listdir(self.folder / folder)) if (self.folder / folder).exists() else []

    def report(self):
        (name,) = [name for name in self.names("failed") if name.endswith(".ndjson") and name.count(".") > 2]
        return [json.loads(entry) for entry in (self.folder / "failed" / name).read_text().splitlines()]


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def ndjson(inputs):
    return "".join(json.dumps({"input": value if isinstance(value, dict) else str(value)}) + "\n" for value in inputs)


def texts(*bounds):
    return [str(number) for number in range(*bounds)]


def picture(side=4):
    data = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 7, np.uint8)).save(data, "PNG")
    return data.getvalue()
