"""Senders whose queries come together."""

import asyncio
import json
from typing import Any

from exporter.delivery import Delivery
from exporter.sources.reply import Reply
from tests.exporter.conftest import SURE
from tests.exporter.sources.detect.conftest import Make


def test_each_sender_of_a_turn_is_a_delivery_of_its_own(make: Make) -> None:
    intake, taken = make(), []
    take = intake._ledger.take

    def seen(delivery: Delivery, *rest: Any) -> None:
        taken.append((delivery.sender, [query.id for query in delivery.queries]))
        take(delivery, *rest)

    intake._ledger.take = seen  # type: ignore[method-assign]

    async def turn() -> list[Reply]:
        asked = [("a", "1"), ("b", "1"), ("a", "2"), ("a", "1")]
        bodies = [(json.dumps({"input": "x", "output": SURE, "id": name}).encode(), sender) for sender, name in asked]
        return await asyncio.wait_for(asyncio.gather(*(intake.detect(*body) for body in bodies)), 10)

    assert {answer.status for answer in asyncio.run(turn())} == {200}
    assert taken == [("a", ["1", "2"]), ("b", ["1"])]
    assert intake.counts.duplicates == 1
