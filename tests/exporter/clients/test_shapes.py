"""The distances of clients: bounds, and entries."""

from typing import Any

import numpy as np

from exporter.clients.shapes import MOST_SHAPES, Shapes


def filled(clients: int, points: int = 30) -> Shapes:
    shapes, random, turn = Shapes(), np.random.default_rng(1), 0
    for n in range(points):
        for client in range(clients):
            turn += 1
            shapes.add(f"client {client}", random.normal(0, 3000, 8).astype(np.int16), n % 2, turn)
    return shapes


def entries(shapes: Shapes) -> tuple[dict[str, Any], dict[tuple[str, int, int], Any]]:
    """All entries, in another order than that of the clients and points."""
    clients = {name: shapes.entry(name) for name in reversed(list(shapes.held()))}
    points = {key: shapes.point_entry(key) for key in reversed(list(shapes.points()))}
    return clients, points


def test_the_clients_that_sent_something_last_are_held() -> None:
    shapes = Shapes()
    point = np.zeros(4, dtype=np.int16)
    for turn in range(MOST_SHAPES):
        shapes.add(f"client {turn}", point, 0, turn)
    shapes.add("client 0", point, 0, MOST_SHAPES)
    shapes.add("another", point, 0, MOST_SHAPES + 1)
    held = list(shapes.held())
    assert len(held) == MOST_SHAPES
    assert held[-2:] == ["client 0", "another"]
    assert "client 1" not in held


def test_who_is_let_go_of_leaves_nothing_and_that_is_noted() -> None:
    shapes = filled(2)
    points = {key for key in shapes.points() if key[0] == "client 0"}
    shapes.changed.begin(())
    shapes.points_changed.begin(())
    before = shapes.nbytes
    shapes.drop("client 0")
    shapes.drop("nobody")
    assert list(shapes.held()) == ["client 1"]
    assert shapes.nbytes < before
    assert shapes.entry("client 0") is None
    assert shapes.changed.take(1000) == ["client 0"]
    assert set(shapes.points_changed.take(1000)) == points
    assert all(shapes.point_entry(key) is None for key in points)


def test_a_new_point_is_noted_once() -> None:
    shapes = filled(1, 2)
    shapes.changed.begin(())
    shapes.points_changed.begin(())
    shapes.add("client 0", np.full(8, 500, dtype=np.int16), 7, 3)
    assert shapes.changed.take(1000) == ["client 0"]
    assert shapes.points_changed.take(1000) == [("client 0", 7, 0)]


def test_shapes_go_on_from_their_entries_as_if_nothing_had_been() -> None:
    shapes, again = filled(3), Shapes()
    again.load(*entries(shapes))
    assert list(again.held()) == list(shapes.held())
    assert list(again.points()) == list(shapes.points())
    random = np.random.default_rng(2)
    for turn in range(100, 160):
        point = random.normal(0, 3000, 8).astype(np.int16)
        assert again.add("client 1", point, turn % 2, turn) == shapes.add("client 1", point, turn % 2, turn)
    assert again.nbytes == shapes.nbytes
