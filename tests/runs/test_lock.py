import os

import pytest

from keras_cvae.runs import lock

pytestmark = pytest.mark.once


def test_only_one_process_trains_in_a_folder(tmp_path):
    folder = tmp_path / "new" / "run"
    assert not lock.is_held(folder)
    with lock.hold(folder):
        assert lock.is_held(folder)
        with pytest.raises(ValueError, match="`out` must be a folder that no other training"):
            lock.check_free(folder)
        with pytest.raises(ValueError, match="`out`"), lock.hold(folder):
            pass
        assert lock.is_held(folder)
    lock.check_free(folder)
    assert os.listdir(folder) == []


def test_the_lock_is_released_after_errors(tmp_path):
    with pytest.raises(KeyboardInterrupt), lock.hold(tmp_path):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_the_lock_of_a_killed_process_is_free(tmp_path):
    (tmp_path / lock.LOCK).touch()
    assert not lock.is_held(tmp_path)
    with lock.hold(tmp_path):
        assert lock.is_held(tmp_path)


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="links are followed there")
def test_a_link_is_not_followed(tmp_path):
    (tmp_path / lock.LOCK).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="can be written to"), lock.hold(tmp_path):
        pass
    assert not (tmp_path / "elsewhere").exists()
