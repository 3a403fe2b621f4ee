"""The system's notices of new files. They only make reading prompt: the folder is looked through regularly anyway."""

import logging
import os
import sys
from collections.abc import Callable

from watchdog.events import FileClosedEvent, FileCreatedEvent, FileMovedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from exporter.sources.drop.arrivals import Arrivals

log = logging.getLogger(__name__)

EVENTS: list[type[FileSystemEvent]] = [FileCreatedEvent, FileClosedEvent, FileMovedEvent]


class _Notices(FileSystemEventHandler):
    def __init__(self, path: str, arrivals: Arrivals, wake: Callable[[], None]) -> None:
        self._path, self._arrivals, self._wake = path, arrivals, wake

    def on_created(self, event: FileSystemEvent) -> None:
        self._arrivals.created(os.path.basename(os.fsdecode(event.src_path)))
        self._wake()

    def on_closed(self, event: FileSystemEvent) -> None:
        self._arrivals.closed(os.path.basename(os.fsdecode(event.src_path)))
        self._wake()

    def on_moved(self, event: FileSystemEvent) -> None:
        folder, name = os.path.split(os.fsdecode(event.dest_path or ""))
        if folder == self._path:  # and not out of the folder
            self._arrivals.closed(name)
            self._wake()


def watch(path: str, arrivals: Arrivals, wake: Callable[[], None]) -> BaseObserver | None:
    """An observer that tells `arrivals` what happens in the folder, and `wake` then; None where there is no such thing.

    Too few inotify instances or watches are a reason, as is a file system without notices.
    """
    try:
        observer = _observer()
        observer.schedule(_Notices(path, arrivals, wake), path, recursive=False, event_filter=EVENTS)
        observer.start()
    except OSError as error:
        why = {"reason": error.strerror or str(error)}
        log.warning("no notices of new drop files: the folder is looked through instead", extra=why)
        return None
    return observer


def _observer() -> BaseObserver:
    if sys.platform != "linux":
        return Observer()
    from watchdog.observers.inotify import InotifyObserver

    return InotifyObserver(generate_full_events=True)  # tells a file that was moved in from one just created


def _is_no_stop(record: logging.LogRecord) -> bool:
    """Not the error that watchdog logs when an event comes while it stops; files are looked for at the start."""
    return "called when the thread is inactive" not in record.getMessage()


logging.getLogger("watchdog.observers.inotify").addFilter(_is_no_stop)
