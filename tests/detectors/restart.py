"""A restart in a test: what a detector hands out goes through bytes into a fresh one."""

import msgspec
import numpy as np


def kept(detector, limit=7):
    """The state as bytes, and the rows by space, read in slices."""
    while getattr(detector, "write_down", _nothing)(limit):
        pass
    rows = {}
    for space, (first, last, dimensions, dtype) in detector.row_spaces().items():
        slices, number = [np.zeros((0, dimensions), dtype)], first
        while number < last:
            start, part = detector.rows_since(space, number, limit)
            assert start == number
            slices.append(part)
            number += len(part)
        rows[space] = (first, np.concatenate(slices))
    return msgspec.msgpack.encode(detector.dump_state()), rows


def _nothing(limit):
    return False


def reader(rows):
    """What `load_state` reads rows with."""

    def read(space, start, stop):
        first, held = rows[space]
        return held[start - first : stop - first]

    return read


def restarted(detector, fresh, limit=7):
    """The fresh detector, going on where the other one stands."""
    state, rows = kept(detector, limit)
    if rows:
        fresh.load_state(msgspec.msgpack.decode(state), reader(rows))
    else:
        fresh.load_state(msgspec.msgpack.decode(state))
    return fresh


def whole_state(detector):
    """All that a detector shows."""
    state = [detector.get_state(), detector.window_queries(), detector.row_spaces()]
    return [*state, detector.get_state(include_embedding=True)] if detector.row_spaces() else state


def assert_goes_on(make, batches, cuts, limit=7):
    """A detector restarted before the batches at `cuts` gives, bit by bit, what one gives that was never stopped."""
    whole, parts = make(), make()
    for number, batch in enumerate(batches):
        if number in cuts:
            parts = restarted(parts, make(), limit)
            assert whole_state(parts)[0] == whole_state(whole)[0]
        assert parts.score(batch).tolist() == whole.score(batch).tolist()
        ours, theirs = whole_state(parts), whole_state(whole)
        assert ours[:2] == theirs[:2]
        assert ours[3:] == theirs[3:]
        assert list(ours[2].values()) == list(theirs[2].values())
