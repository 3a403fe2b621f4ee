"""Records that name a model which the key of their sender is not for: rejected one by one, while the others count."""

from collections.abc import Collection, Sequence

from detectors import Query
from exporter.delivery import Rejection
from exporter.formats import native

CODE = "forbidden_model"
REASON = "model: the key of this request is not for this model"


def permitted(
    queries: Sequence[Query], rejections: list[Rejection], body: bytes, models: Collection[str], unnamed: str
) -> tuple[Sequence[Query], list[Rejection]]:
    """What `native.decode` gave of a body, without the queries of other models. unnamed: the model of those that
    name none.
    """
    if all((query.model or unnamed) in models for query in queries):
        return queries, rejections
    wrong = {rejection.index for rejection in rejections}
    positions = [place for place in native.positions(body, len(queries) + len(wrong)) if place not in wrong]
    kept: list[Query] = []
    refused = list(rejections)
    for place, query in zip(positions, queries, strict=True):
        if (query.model or unnamed) in models:
            kept.append(query)
        else:
            refused.append(Rejection(place, CODE, REASON))
    return kept, sorted(refused, key=lambda rejection: rejection.index)
