"""Where the host's threads leave records."""

import threading

from vedette_client.identity import Identity
from vedette_client.intake import Intake, Tally


def test_it_takes_up_to_its_bound_and_counts_the_rest() -> None:
    intake = Intake(most=3, wake_at=2)
    taken = [intake.put("query", {"n": number}) for number in range(5)]
    assert taken == [True, True, True, False, False]
    assert (intake.given.value(), intake.full.value(), len(intake)) == (5, 2, 3)
    assert [fields["n"] for _, fields in intake.take(10)] == [0, 1, 2]
    assert intake.put("query", {})


def test_it_wakes_the_reader_when_a_batch_is_full() -> None:
    intake = Intake(most=10, wake_at=2)
    intake.put("query", {})
    assert not intake.wake.is_set()
    intake.put("query", {})
    assert intake.wake.is_set()


def test_many_threads_lose_no_count_and_share_no_id() -> None:
    tally, identity, ids = Tally(), Identity(), []

    def work() -> None:
        for _ in range(2000):
            tally.add()
            ids.append(identity())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.value() == tally.value() == 16_000
    assert len(set(ids)) == 16_000


def test_two_processes_share_no_id() -> None:
    assert Identity()() != Identity()()
