"""Grouping: the queries of deliveries by model, in order, each at the time that it is judged at."""

from collections.abc import Iterable, Sequence

from detectors import Query
from exporter.delivery import CANARY, Delivery, Outcome
from exporter.models import Models
from exporter.watched_model import WatchedModel

#: per query of a delivery, what its detectors said; empty when nobody asked
Words = list[list[Outcome]]

#: how far ahead of ours the clock of a sender may be before it is told of
FUTURE_SECONDS = 60.0


class Group:
    """Queries of one model that are judged together, and those of them that somebody asked about, by position."""

    __slots__ = ("asked", "queries")

    def __init__(self) -> None:
        self.queries: list[Query] = []
        self.asked: dict[int, list[Outcome]] = {}


def by_model(
    deliveries: Iterable[tuple[Delivery, Words]], part: slice, models: Models, canary: WatchedModel
) -> dict[WatchedModel, Group]:
    """That part of each delivery, with the words about it, by model. canary: judges what is synthetic."""
    groups: dict[WatchedModel, Group] = {}
    for delivery, words in deliveries:
        queries, said = delivery.queries[part], words[part]
        names = {query.model for query in queries}
        model = canary if delivery.source == CANARY else models.known(names.pop()) if len(names) == 1 else None
        if model is not None:  # all of one known model, as most deliveries are
            _add(groups, model, delivery, queries, said)
            continue
        for index, query in enumerate(queries):
            _add(groups, models.of(query.model), delivery, [query], said[index : index + 1])
    return groups


def _add(
    groups: dict[WatchedModel, Group], model: WatchedModel, delivery: Delivery, queries: Sequence[Query], said: Words
) -> None:
    """Add queries to the group of their model; the times of a model never run backwards."""
    group = groups.get(model)
    if group is None:
        group = groups[model] = Group()
    group.asked.update(enumerate(said, len(group.queries)))
    group.queries += queries
    model.last_query = delivery.received
    if delivery.own_time:
        for query in queries:
            own = delivery.received if query.timestamp is None else query.timestamp
            if own > delivery.received + FUTURE_SECONDS:
                model.note_future(own - delivery.received)
            # an event of the future would age out what others of its model have in their windows
            query.timestamp = model.clock = max(min(own, delivery.received), model.clock)
    else:
        now = model.time_at(delivery.received)
        for query in queries:
            query.timestamp = now
