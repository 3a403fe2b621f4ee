"""What changes between two configurations: what a reload builds anew, keeps, and cannot do."""

from collections.abc import Iterable
from operator import attrgetter
from typing import NamedTuple

from exporter.config import Config, ResolvedModel

#: what is set up once, when the process starts
FIXED = (
    "sources.drop_directory",
    "storage.path",
    "storage.sync",
    "storage.journal_bytes",
    "storage.snapshot_interval",
    "history.enabled",
    "history.url",
    "history.password_file",
    "history.evidence",
    "history.flagged_per_second",
    "history.queue_rows",
    "history.max_bytes",
    "history.retention",
    "alerts.url",
    "alerts.reconcile_interval",
    "alerts.silences",
    "alerts.credentials_file",
    "limits.queue_queries",
    "limits.queue_bytes",
    "access.pseudonym_secret_file",
)


class DetectorChange(NamedTuple):
    """The detectors of one model, by name. Those that are kept go on with their windows."""

    kept: tuple[str, ...]
    built: tuple[str, ...]
    dropped: tuple[str, ...]


class Change(NamedTuple):
    """What a reload does.

    added, removed: names of configured models. One that is removed is watched on as any other, with the defaults.
    detectors: by model, for those that are configured before or after, and those that were named as seen.
    fixed: one sentence for each setting that keeps its value until a restart.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    detectors: dict[str, DetectorChange]
    fixed: tuple[str, ...]


def difference(old: Config, new: Config, seen: Iterable[str] = ()) -> Change:
    """What changes from old to new. seen: models that are watched without being configured."""
    before, after = ({model.name: None for model in config.models} for config in (old, new))
    watched = before | after | dict.fromkeys(seen)
    return Change(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        detectors={name: _detectors(old.model(name), new.model(name)) for name in watched},
        fixed=tuple(_fixed(old, new)),
    )


def _detectors(old: ResolvedModel, new: ResolvedModel) -> DetectorChange:
    """A detector is kept when its options are the same; a new alert share is only a new threshold to expose."""
    before = {detector.name: detector.options for detector in old.detectors}
    after = {detector.name: detector.options for detector in new.detectors}
    kept = tuple(name for name, options in after.items() if name in before and before[name] == options)
    return DetectorChange(
        kept=kept,
        built=tuple(name for name in after if name not in kept),
        dropped=tuple(name for name in before if name not in kept),
    )


def _fixed(old: Config, new: Config) -> Iterable[str]:
    for key in FIXED:
        if attrgetter(key)(old) != attrgetter(key)(new):
            yield f"{key} has changed: the new value holds after a restart"
