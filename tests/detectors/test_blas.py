import pytest
from threadpoolctl import ThreadpoolController

from detectors.blas import one_thread


@pytest.fixture
def blas():
    controller = ThreadpoolController().select(user_api="blas")
    if not controller.lib_controllers:
        pytest.skip("numpy's library has no threads to set here")
    return controller


def threads(blas):
    return {library.get_num_threads() for library in blas.lib_controllers}


def test_there_is_one_thread_inside_and_the_number_that_was_set_after(blas):
    with blas.limit(limits=2):
        before = threads(blas)
        with one_thread():
            assert threads(blas) == {1}
        assert threads(blas) == before


def test_a_user_s_own_limit_of_one_stays(blas):
    with blas.limit(limits=1):
        with one_thread():
            assert threads(blas) == {1}
        assert threads(blas) == {1}


def test_an_error_inside_puts_the_number_back(blas):
    with blas.limit(limits=2):
        before = threads(blas)
        with pytest.raises(RuntimeError), one_thread():
            raise RuntimeError
        assert threads(blas) == before
