"""The cache folder, and files that are whole or not there."""

import os
import stat
import sys
import tempfile
from pathlib import Path

import platformdirs
import pytest

from tlkit.storage import cache_folder, written_whole


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
        if Path(dir) == tmp_path / "read-only":
            raise PermissionError(13, "Permission denied", str(dir))
        return real(*arguments, dir=dir, **keywords)

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "read-only"))
    with pytest.warns(UserWarning, match=r"read-only can't be written to \(Permission denied\).*TLKIT_CACHE_DIR"):
        substitute = cache_folder()
    assert substitute.parent == tmp_path
    assert substitute.is_dir()
    assert cache_folder() == substitute  # the second time without a warning, which would be an error here


def test_a_file_in_the_way_of_the_cache_folder_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.warns(UserWarning, match="file can't be written to"):
        assert cache_folder() != tmp_path / "file"
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
