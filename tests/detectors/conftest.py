"""What several detector tests share."""

import pytest

from detectors import registry


class Tensor:
    """Has what a torch tensor has where the library looks, and, like one on a graphics card, is no array by itself."""

    def __init__(self, array):
        self._array, self.shape, self.ndim = array, array.shape, array.ndim

    def __array__(self, *_, **__):
        raise TypeError("can't convert a device tensor to numpy")

    def detach(self):
        return self

    def cpu(self):
        return self

    def permute(self, *axes):
        return Tensor(self._array.transpose(axes))

    def numpy(self):
        return self._array


@pytest.fixture
def tensor():
    return Tensor


@pytest.fixture
def own_names():
    """Detectors registered in a test are gone after it."""
    before = dict(registry.DETECTORS)
    yield
    registry.DETECTORS.clear()
    registry.DETECTORS.update(before)
