"""The data folder: one owner at a time, and a key that is made once."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from perch import folder


def test_the_folder_is_made_for_its_owner_s_eyes_only(tmp_path):
    folder.prepare(tmp_path / "deep" / "data")
    assert stat.S_IMODE((tmp_path / "deep" / "data").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_made_is_named_with_its_setting(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(folder.FolderUnusable, match="PERCH_DATA_DIR") as refused:
            folder.prepare(path)
        assert str(path) in refused.value.sentence


def test_a_folder_in_which_nothing_can_be_written_is_named_with_its_setting(tmp_path):
    (tmp_path / folder.LOCK_FILE).mkdir()
    with pytest.raises(folder.FolderUnusable, match="PERCH_DATA_DIR"):
        folder.lock(tmp_path, "process 17")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(folder.FolderUnusable, match="may not write"):
        folder.prepare(tmp_path)


def test_the_second_owner_is_told_who_the_first_one_is(tmp_path):
    held = folder.lock(tmp_path, "process 17 at http://127.0.0.1:5000")
    with pytest.raises(folder.FolderTaken, match=r"process 17 at http://127\.0\.0\.1:5000") as refused:
        folder.lock(tmp_path, "process 18")
    assert refused.value.fix
    held.release()
    folder.lock(tmp_path, "process 18").release()


def test_a_shorter_name_leaves_nothing_of_a_longer_one(tmp_path):
    folder.lock(tmp_path, "process 1234567890 at a long address").release()
    held = folder.lock(tmp_path, "process 1")
    assert (tmp_path / folder.LOCK_FILE).read_text() == "process 1"
    held.release()


def test_a_process_that_is_killed_gives_the_folder_back(tmp_path):
    script = (
        "import sys, time, pathlib; from perch import folder\n"
        "held = folder.lock(pathlib.Path(sys.argv[1]), 'process to be killed')\n"
        "print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(folder.FolderTaken, match="to be killed"):
        folder.lock(tmp_path, "me")
    process.kill()
    process.communicate()
    folder.lock(tmp_path, "me").release()


def test_the_key_is_made_once_and_is_its_owner_s_alone(tmp_path):
    key = folder.secret_key(tmp_path)
    assert folder.secret_key(tmp_path) == key
    assert key.startswith("k1:")
    assert len(key) > 40
    path = tmp_path / folder.KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_of_many_first_starts_at_once_all_see_the_same_key(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: folder.secret_key(tmp_path), range(64)))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == [folder.KEY_FILE]


def test_an_empty_key_file_is_refused_with_its_name(tmp_path):
    (tmp_path / folder.KEY_FILE).write_text("\n")
    with pytest.raises(folder.FolderUnusable, match=r"secret\.key"):
        folder.secret_key(tmp_path)


def test_two_folders_have_two_keys(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert folder.secret_key(tmp_path / "a") != folder.secret_key(tmp_path / "b")


def test_a_key_that_was_overwritten_is_not_read(tmp_path):
    (tmp_path / folder.KEY_FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(folder.FolderUnusable, match="cannot be read as a key") as refused:
        folder.secret_key(tmp_path)
    assert refused.value.fix
