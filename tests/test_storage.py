"""The cache folder, and files that are whole or not there."""

import errno
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

import filelock
import platformdirs
import pytest

from tlkit.storage import cache_folder, cache_folders, find_kept, is_trusted, locked, written_whole


def test_the_cache_folder_is_made_where_the_environment_says(tmp_path, monkeypatch):
    for name in ("a", "b"):
        monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / name / "deep"))
        assert cache_folder() == tmp_path / name / "deep"
        assert cache_folder().is_dir()
        assert not list(cache_folder().iterdir())


def test_without_the_environment_it_is_the_systems_folder_for_caches(tmp_path, monkeypatch):
    monkeypatch.delenv("TLKIT_CACHE_DIR")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, appauthor: str(tmp_path / name))
    assert cache_folder() == tmp_path / "tlkit"


def test_a_home_folder_is_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("TLKIT_CACHE_DIR", "~/kept")
    assert cache_folder() == tmp_path / "kept"


def test_a_folder_that_can_not_be_written_to_is_replaced_with_one_warning(tmp_path, monkeypatch):
    real = tempfile.TemporaryFile

    def refuse(*arguments, dir=None, **keywords):
        if Path(dir).is_relative_to(tmp_path / "read-only"):
            raise PermissionError(13, "Permission denied", str(dir))
        return real(*arguments, dir=dir, **keywords)

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, appauthor: str(tmp_path / "own"))
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "read-only"))
    with pytest.warns(UserWarning, match=r"read-only can't be written to \(Permission denied\).*TLKIT_CACHE_DIR"):
        substitute = cache_folder()
    assert substitute == tmp_path / "own"
    assert substitute.is_dir()
    assert cache_folders() == (
        substitute,
        tmp_path / "read-only",
    )  # the second time without a warning, which would be an error here


def test_a_file_in_the_way_of_the_cache_folder_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, appauthor: str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.warns(UserWarning, match="file can't be written to"):
        assert cache_folder().parent == tmp_path
    assert (tmp_path / "file").is_file()


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "numbers.txt"
    with written_whole(path) as temporary:
        assert temporary.parent == path.parent, "a rename from another disk fails"
        assert temporary.suffix == ".txt"
        temporary.write_text("1 2 3")
        assert not path.exists()
    assert path.read_text() == "1 2 3"
    assert [file.name for file in path.parent.iterdir()] == ["numbers.txt"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_nothing_else(error, tmp_path):
    path = tmp_path / "numbers.txt"
    path.write_text("old")
    with pytest.raises(type(error)), written_whole(path) as temporary:
        temporary.write_text("a part of the n")
        raise error
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["numbers.txt"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_file_and_nothing_else(step, tmp_path, monkeypatch):
    path = tmp_path / "numbers.txt"
    path.write_text("old")

    def fail(*arguments):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="Input/output error"), written_whole(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["numbers.txt"]


def test_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    steps = []
    for step in ("fsync", "replace"):
        real = getattr(os, step)
        monkeypatch.setattr(os, step, lambda *arguments, step=step, real=real: (steps.append(step), real(*arguments)))
    with written_whole(tmp_path / "numbers.txt") as temporary:
        temporary.write_text("new")
    assert steps == ["fsync", "replace"]


def test_two_writers_do_not_share_a_temporary_name(tmp_path):
    path = tmp_path / "numbers.txt"
    with written_whole(path) as first, written_whole(path) as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert path.read_text() == "first"  # who is ready last wins, whole
    assert [file.name for file in tmp_path.iterdir()] == ["numbers.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_others_may_read_what_was_written(tmp_path):
    (tmp_path / "plain").touch()
    with written_whole(tmp_path / "whole") as temporary:
        temporary.touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("plain", "whole")]
    assert modes[0] == modes[1]


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A cache folder that is open to all and belongs to user 500; `wear` gives this process and new files an owner."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    owners, real = {folder: 500}, {name: getattr(Path, name) for name in ("stat", "lstat")}

    def lie(name):
        def look(path, **options):
            found = real[name](path, **options)
            values = list(found[:10])
            values[4] = owners.get(path, os.getuid())
            return os.stat_result(values)

        return look

    monkeypatch.setattr(os, "getuid", lambda: 700)
    for name in real:
        monkeypatch.setattr(Path, name, lie(name))
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(folder))
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, appauthor: str(tmp_path / "own"))
    return folder, owners


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such owners")
def test_in_a_folder_that_is_open_to_all_each_user_has_a_subfolder_and_strangers_are_not_believed(shared):
    folder, owners = shared
    with pytest.warns(UserWarning, match=r"shared belongs to another user and is open to all.*user-700"):
        assert cache_folders() == (folder / "user-700", folder)
    for owner, is_believed in {500: True, 0: True, 700: True, 600: False}.items():
        path = folder / "features" / f"of {owner}"
        path.parent.mkdir(exist_ok=True)
        path.touch()
        owners |= {path: owner, path.parent: 0}
        assert is_trusted(path, folder) is is_believed
        assert (find_kept("features", path.name) == path) is is_believed
        owners[path.parent] = 600  # who may put any file of others there
        assert not is_trusted(path, folder)
    folder.chmod(0o755)
    assert is_trusted(path, folder), "nobody else can write there"
    assert not is_trusted(folder / "absent", folder)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such owners")
def test_a_subfolder_that_another_user_made_is_not_taken(shared, tmp_path):
    folder, owners = shared
    made = folder / "user-700"
    made.mkdir(mode=0o777)
    made.chmod(0o777)
    owners[made] = 600
    with pytest.warns(UserWarning, match="open to all"):
        assert cache_folder() == tmp_path / "own"


@pytest.mark.skipif(os.name == "nt", reason="other locks")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP])
def test_a_disk_without_locks_is_worked_on_without_after_one_warning(number, tmp_path, monkeypatch):
    import fcntl

    def refuse(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    # Another host, gone by now, left this: a soft lock would wait for it for ever.
    (tmp_path / "a.lock").write_text("123\nanother-host\n")
    with pytest.warns(UserWarning, match=rf"{re.escape(str(tmp_path))} is on a disk whose locks don't work") as caught:
        for _ in range(2):
            with locked(tmp_path / "a.lock", 0), locked(tmp_path / "b.lock", 0):
                pass
    assert len(caught) == 1


def test_a_lock_is_held_and_other_failures_are_raised(tmp_path):
    with locked(tmp_path / "a.lock", 0), pytest.raises(filelock.Timeout), locked(tmp_path / "a.lock", 0.01):
        pass
    with locked(tmp_path / "a.lock", 0):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(OSError), locked(tmp_path / "file" / "a.lock", 0):
        pass
