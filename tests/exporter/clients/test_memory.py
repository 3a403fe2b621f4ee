"""What is known of a model's clients: its bounds, and a restart."""

import msgspec
import pytest

from detectors import Query
from exporter.clients import Suspicion
from exporter.clients import memory as module
from exporter.clients.counts import Counts
from exporter.clients.memory import MODEL_BYTES, MOST_CLIENTS, Memory
from exporter.clients.warm_up import LEAST
from exporter.config import Clients
from tests.detectors.restart import kept, reader
from tests.exporter.clients.streams import interleaved, natural, observe, search, warm


def fresh() -> Memory:
    return Memory(Clients(), 7, MODEL_BYTES, Counts())


@pytest.mark.parametrize("cut", [30, 250, 400])
def test_state_goes_on_after_a_restart_as_if_nothing_had_been(cut: int) -> None:
    queries, whole, before, after = interleaved(), warm(), warm(), Suspicion(Clients(), 7)
    expected = observe(whole, queries)
    observe(before, queries[:cut])
    state, rows = kept(before)
    after.load_state(msgspec.msgpack.decode(state), reader(rows))
    assert observe(after, queries[cut:]) == expected[cut:]
    assert after.counts.alarms == whole.counts.alarms


def test_an_unfinished_warm_up_goes_on_after_a_restart() -> None:
    queries, whole, before, after = natural(LEAST + 50), *(Suspicion(Clients(), 7) for _ in range(3))
    observe(before, queries[:90])
    state, rows = kept(before)
    after.load_state(msgspec.msgpack.decode(state), reader(rows))
    assert observe(after, queries[90:]) == observe(whole, queries)[90:]


def test_another_profile_keeps_what_is_natural() -> None:
    model, other = warm(), Suspicion(Clients(profile="strict"), 7)
    observe(model, natural(50))
    state, rows = kept(model)
    other.load_state(msgspec.msgpack.decode(state), reader(rows))
    assert other.read.is_warm
    assert other.read.window_queries() == 0


def test_the_secret_is_in_no_state() -> None:
    secret = 0xC0FFEE_DECAF_BAD_FACADE_0123456789
    model = Suspicion(Clients(), secret)
    model.calibrate(natural(300))
    assert str(secret) not in str(model.dump_state())
    assert not any(str(secret).encode() in part.tobytes() for _, part in kept(model)[1].values())
    assert secret.to_bytes(32, "little").strip(b"\0") not in msgspec.msgpack.encode(model.dump_state())


def test_clients_are_bounded_and_the_suspicious_stay() -> None:
    model = warm()
    observe(model, search(40))
    crowd = [Query("x", None, client=f"c{n}", timestamp=100.0 + n) for n in range(MOST_CLIENTS + 10)]
    observe(model, crowd, 5000)
    views = model.read.clients(1e6)
    assert len(views) <= MOST_CLIENTS
    assert views[0].client == "attacker"


def test_a_dismissed_client_starts_anew_and_an_erased_one_is_gone() -> None:
    model = warm()
    observe(model, search(30))
    assert model.dismiss("attacker") == ("variants",)
    assert model.read.level("attacker", 30.0) == "ok"
    assert model.erase("attacker")
    assert model.read.client("attacker", 30.0) is None
    assert not model.erase("attacker")
    assert model.dismiss("attacker") == ()
    assert "attacker" not in str(model.dump_state())
    model.tidy()
    assert not any(b"attacker" in part.tobytes() for _, part in kept(model)[1].values())


def test_memory_stays_within_what_is_given() -> None:
    model = Suspicion(Clients(), 7, max_bytes=2 << 20)
    model.calibrate(natural(300))
    observe(model, natural(6000, seed=4))
    assert model.read.window_queries() < 6000
    assert model.memory.history is not None
    assert model.memory.index is not None
    assert model.memory.history.nbytes + model.memory.index.nbytes <= 2 << 20


def test_of_clients_beyond_the_bound_the_least_suspicious_go_and_never_the_one_that_came_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_CLIENTS", 5)
    monkeypatch.setattr(module, "LEAVING", 3)
    memory = fresh()
    for n in range(5):
        memory.account(f"client {n}", float(n)).sums[0] = float(n == 1)
    memory.account("client 5", 5.0)
    assert list(memory.accounts) == ["client 1", "client 4", "client 5"]


def test_evidence_of_a_kind_is_taken_off_all_who_have_any() -> None:
    memory = fresh()
    for n in range(3):
        memory.account(f"client {n}", 0.0).sums[:2] = [float(n), 1.0]
    assert [client for client, _ in memory.take_off([0], 0.0)] == ["client 1", "client 2"]
    assert [account.sums[:2] for account in memory.accounts.values()] == [[0.0, 1.0]] * 3


def test_the_client_that_was_active_last_stands_at_the_end_also_after_a_restart() -> None:
    model = warm()
    observe(model, natural(60) + search(30, start=60.0) + natural(1, "user 0", start=90.0))
    order = list(model.memory.accounts)
    assert order[-2:] == ["attacker", "user 0"]
    state, rows = kept(model)
    again = Suspicion(Clients(), 7)
    again.load_state(msgspec.msgpack.decode(state), reader(rows))
    assert list(again.memory.accounts) == order


def test_windows_take_what_is_given_and_say_which_rows_they_have() -> None:
    memory = warm().memory
    assert memory.history is not None
    assert memory.history.row_spaces().keys() < memory.row_spaces().keys()
    with pytest.raises(KeyError):
        memory.rows_since("nothing such", 0, 10)
