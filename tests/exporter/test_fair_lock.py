"""The lock that whoever waits for it gets next."""

import threading

from exporter.fair_lock import FairLock
from tests.stack.processes import eventually


def test_who_waits_gets_it_before_who_had_it_last() -> None:
    lock, order = FairLock(), []

    def look() -> None:
        with lock:
            order.append("looked")

    looking = threading.Thread(target=look)
    with lock:
        looking.start()
        eventually("the other one waits", lock._turn.locked)
    with lock:  # again, at once
        order.append("again")
    looking.join(10)
    assert order == ["looked", "again"]


def test_one_has_it_at_a_time() -> None:
    lock, counts = FairLock(), {"now": 0, "most": 0, "all": 0}

    def take() -> None:
        for _ in range(2_000):
            with lock:
                counts["now"] += 1
                counts["most"] = max(counts["most"], counts["now"])
                counts["all"] += 1
                counts["now"] -= 1

    takers = [threading.Thread(target=take) for _ in range(4)]
    for taker in takers:
        taker.start()
    for taker in takers:
        taker.join(30)
    assert (counts["most"], counts["all"]) == (1, 8_000)


def test_it_is_given_back_where_something_fails() -> None:
    lock = FairLock()
    try:
        with lock:
            raise RuntimeError
    except RuntimeError:
        pass
    with lock:
        assert lock._lock.locked()
    assert not lock._lock.locked()
