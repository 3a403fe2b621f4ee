"""What people and metrics read of a model's clients: plain records, made when they are asked for."""

import msgspec

from detectors.cluster import Cluster
from exporter.clients.account import Example

#: whose queries a cluster holds
ACCOUNTS = ("none", "one", "several")


class ClientView(msgspec.Struct, frozen=True):
    """One client of a model. suspicion, families, bits: S / h, 0 to 4. volume: share of the other clients below it.

    level: as in LEVELS. first, last, evidence: seconds since 1970, evidence is 0 where there never was any.
    coverage: share of the model's classes that its answers had, 0 to 1. clusters: those in alarm it takes part in.
    """

    client: str
    level: str
    suspicion: float
    families: dict[str, float]
    bits: dict[str, float]
    queries: int
    first: float
    last: float
    evidence: float
    volume: float
    coverage: float
    examples: tuple[Example, ...]
    clusters: tuple[int, ...]


class ClusterView(msgspec.Struct, frozen=True):
    """One cluster in alarm. accounts: none, one or several; clients: how many of its queries came from each.

    reason: variants or label_changes. without_client: queries of it from nobody known.
    """

    id: int
    accounts: str
    clients: dict[str, int]
    without_client: int
    near: int
    repeats: int
    changes: int
    reason: str
    began: float
    last: float
    alarmed: float


class BitView(msgspec.Struct, frozen=True):
    """One evidence bit of a model: whether the profile looks at it, its natural rate, why it is off where it is."""

    name: str
    family: str
    in_profile: bool
    p0: float
    p1: float
    off: str


class Suggestion(msgspec.Struct, frozen=True):
    """A query that came unchanged at one interval from one client: a health check, perhaps, for the allow-list."""

    client: str
    interval_seconds: float
    query_id: str


def cluster_view(cluster: Cluster) -> ClusterView:
    """One cluster in alarm, for people."""
    accounts = ACCOUNTS[min(len(cluster.accounts), 2)]
    return ClusterView(
        id=cluster.id,
        accounts=accounts,
        clients=dict(cluster.accounts),
        without_client=cluster.without_client,
        near=cluster.near,
        repeats=cluster.repeats,
        changes=cluster.changes,
        reason=cluster.reason,
        began=cluster.began,
        last=cluster.last,
        alarmed=cluster.alarmed or 0.0,
    )
