"""A folder of one's own for each process."""

import os
from pathlib import Path

from vedette_client.slots import claim, others


def test_two_processes_have_two_folders_and_a_free_one_is_taken_again(tmp_path: Path) -> None:
    first, second = claim(tmp_path), claim(tmp_path)
    assert first.folder != second.folder
    first.release()
    assert claim(tmp_path).folder == first.folder
    second.release()


def test_only_the_folders_of_ended_processes_are_looked_into(tmp_path: Path) -> None:
    own, running, ended = claim(tmp_path), claim(tmp_path), claim(tmp_path)
    ended.release()
    assert [slot.folder for slot in others(tmp_path, own)] == [ended.folder]
    running.release()


def test_a_forked_child_that_lets_go_leaves_the_lock_to_its_parent(tmp_path: Path) -> None:
    slot = claim(tmp_path)
    if not (child := os.fork()):
        slot.release()
        os._exit(0)
    os.waitpid(child, 0)
    assert claim(tmp_path).folder != slot.folder


def test_the_folder_is_for_nobody_else_to_read(tmp_path: Path) -> None:
    folder = claim(tmp_path / "new").folder
    assert folder.stat().st_mode & 0o077 == 0
