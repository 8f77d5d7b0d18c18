"""Hashes of weights files: published, or recorded; a content that changes by itself is never taken."""

import dataclasses
import hashlib
import json
import os
import threading
import warnings
from pathlib import Path

import filelock
import pytest
import torch
from made_weights import pull_the_plug, save
from safetensors.torch import save_file

from tlkit.backbones.networks import find_entry
from tlkit.backbones.weights import hashes
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import (
    check_sha256,
    describe_check,
    expected_sha256,
    known_sha256,
    record_published,
    record_sha256,
)
from tlkit.backbones.weights.read import read_weights
from tlkit.features.cache.damage import stated_sha256

STATE = {"fc.weight": torch.arange(6.0)}
OTHER = {"fc.weight": torch.arange(6.0) + 1}


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    pull_the_plug(monkeypatch, tmp_path)


@pytest.fixture
def records(tmp_path):
    return tmp_path / "cache" / "weights-sha256.json"


@pytest.fixture
def entry():
    return dataclasses.replace(find_entry("resnet18"), weights_file="own.safetensors", weights_size_mb=None)


@pytest.fixture
def path(tmp_path):
    save_file(STATE, tmp_path / "own.safetensors")
    return tmp_path / "own.safetensors"


def load(path, entry):
    """Read a file as an entry's and record its hash, as happens once it fits the network; returns the hash."""
    _, sha256 = read_weights(path, entry)
    record_published(entry, sha256)
    return sha256


def flip(path):
    """Flip a bit of the last tensor, as a disk does it: no time stamp tells of it."""
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)


def pretend_untouched(path, records):
    """Let the record hold the file's present size and times: those of a file that nobody wrote to."""
    kept = json.loads(records.read_text(encoding="utf-8"))
    status = path.stat()
    kept["files"][str(path.resolve())]["stamp"] = [status.st_size, status.st_ctime_ns, status.st_mtime_ns]
    records.write_text(json.dumps(kept), encoding="utf-8")


def test_a_hash_is_known_without_reading_once_a_file_was_loaded(path, monkeypatch):
    assert known_sha256(path) is None
    _, sha256 = read_weights(path)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.chdir(path.parent)
    assert known_sha256(path) == known_sha256("own.safetensors") == sha256
    os.utime(path, ns=(1, 1))
    assert known_sha256(path) is None
    read_weights(path)
    assert known_sha256(path) == sha256
    path.unlink()
    assert known_sha256(path) is None


def test_a_file_of_the_users_that_changes_by_itself_is_damaged(path, records):
    _, sha256 = read_weights(path)
    flip(path)
    pretend_untouched(path, records)
    with pytest.raises(
        WeightsError, match=rf"own\.safetensors is damaged: nobody wrote to it.*began {sha256[:8]} then"
    ):
        read_weights(path)


def test_a_file_that_the_user_rewrites_is_recorded_anew_and_said(path):
    _, before = read_weights(path)
    save_file(OTHER, path)
    with pytest.warns(UserWarning, match=rf"own\.safetensors holds other weights than.*{before[:8]} then"):
        tensors, after = read_weights(path)
    assert torch.equal(tensors["fc.weight"], OTHER["fc.weight"])
    assert known_sha256(path) == after != before
    assert read_weights(path)[1] == after


def test_a_published_file_without_a_published_hash_keeps_the_one_it_had_at_first(path, entry, records):
    read_weights(path, entry)
    assert expected_sha256(entry) == "", "recorded before it fitted"
    sha256 = load(path, entry)
    assert expected_sha256(entry) == known_sha256(path) == sha256
    assert read_weights(path, entry)[1] == sha256
    save_file(OTHER, path)
    with pytest.raises(WeightsError) as caught:
        read_weights(path, entry)
    for words in ("is not the file that was first used for resnet18", "delete it and load again", str(records)):
        assert words in str(caught.value)
    assert expected_sha256(entry) == sha256
    # It is for the user to say that the new one is meant: by its path it loads.
    with pytest.warns(UserWarning, match="holds other weights than when it was last loaded"):
        read_weights(path)


def test_wherever_a_published_file_lies_it_must_be_the_same(path, entry, tmp_path):
    load(path, entry)
    (tmp_path / "elsewhere").mkdir()
    moved = path.rename(tmp_path / "elsewhere" / path.name)
    read_weights(moved, entry)
    save_file(OTHER, moved)
    with pytest.raises(WeightsError, match="is not the file that was first used"):
        read_weights(moved, entry)


def test_what_can_not_be_read_is_not_recorded(tmp_path, records):
    with pytest.raises(WeightsError):
        read_weights(save([1, 2], tmp_path / "list.pth"))
    assert not records.exists()


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"[]", b'{"files": {}}', b'{"files": {"a": 1}, "published": {}}']
)
def test_a_damaged_record_is_said_and_begun_anew(content, path, records):
    _, sha256 = read_weights(path)
    records.write_bytes(content)
    with pytest.warns(UserWarning, match=r"weights-sha256\.json is damaged"):
        assert read_weights(path)[1] == sha256
    assert known_sha256(path) == sha256


def test_a_record_that_can_not_be_written_is_a_warning(path, records, monkeypatch):
    records.parent.mkdir()
    monkeypatch.setattr(hashes, "_LOCK_TIMEOUT_S", 0.05)
    with filelock.FileLock(f"{records}.lock"), pytest.warns(UserWarning, match="couldn't be recorded"):
        tensors, _ = read_weights(path)
    assert torch.equal(tensors["fc.weight"], STATE["fc.weight"])
    assert not records.exists()


def test_many_that_record_at_once_lose_nothing(tmp_path):
    paths = [save(STATE, tmp_path / f"{number}.pth") for number in range(8)]
    threads = [threading.Thread(target=record_sha256, args=(path, path.stat(), "0" * 64)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [known_sha256(path) for path in paths] == ["0" * 64] * 8


def test_a_second_load_writes_nothing(path, entry, records):
    load(path, entry)
    before = records.stat().st_mtime_ns
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(path, entry)
        read_weights(path)
    assert records.stat().st_mtime_ns == before


def test_a_short_file_is_called_incomplete(path, entry):
    short = dataclasses.replace(entry, weights_file="own-01234567.pth", weights_size_mb=45)
    with pytest.raises(WeightsError, match=r"is incomplete: 0 of 45 MB"):
        check_sha256(path, path.stat(), "f" * 64, short)


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "Input/output error")])
def test_records_that_can_not_be_read_are_a_warning_and_never_replaced(error, path, entry, records, monkeypatch):
    load(path, entry)
    before, read_text = records.read_bytes(), Path.read_text

    def refuse(self, *arguments, **options):
        if self.name == records.name:
            raise error
        return read_text(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.warns(UserWarning, match=rf"weights-sha256\.json can't be read \({error.strerror}\)"):
        assert load(path, entry)
    monkeypatch.undo()
    assert records.read_bytes() == before


def test_a_file_that_begins_like_the_published_one_is_told_from_it(path, entry, monkeypatch):
    """Files with any eight digits can be made in minutes."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    forged = dataclasses.replace(entry, weights_file=f"own-{sha256[:8]}.safetensors")
    assert "begins with the 8 published digits; more are not known" in describe_check(forged)
    load(path, forged)
    assert expected_sha256(forged) == sha256, "from now on all digits count"
    other = sha256[:8] + "0" * 56
    with pytest.raises(WeightsError, match=rf"begins {other[:16]}, {sha256[:16]} then, and its publisher states 8 dig"):
        check_sha256(path, path.stat(), other, forged)
    monkeypatch.setattr(hashes, "list_published", lambda: {forged.weights_file: other})
    assert describe_check(forged) == "SHA-256 as published"
    with pytest.raises(WeightsError, match=f"is forged: its SHA-256 begins like .* but is {sha256} instead of {other}"):
        read_weights(path, forged)


def test_only_published_files_have_a_hash_by_their_name(entry, path):
    assert stated_sha256("resnet18-f37072fd.pth").startswith("f37072fd47")
    assert stated_sha256("resnet101-cd907fc2.pth") == "cd907fc2"
    assert stated_sha256("plants-20261129.pth") == stated_sha256(entry.weights_file) == ""
    sha256 = load(path, entry)
    assert stated_sha256(entry.weights_file) == sha256


def test_records_of_another_user_that_can_not_be_read_do_not_keep_one_from_ones_own(path, entry, records, monkeypatch):
    load(path, entry)
    shared = records.rename(records.with_name("shared.json"))
    read_text = Path.read_text
    refused = PermissionError(13, "Permission denied")

    def refuse(self, *arguments, **options):
        if self == shared:
            raise refused
        return read_text(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", refuse)
    monkeypatch.setattr(hashes, "find_kept", lambda name: records if records.exists() else shared)
    with pytest.warns(UserWarning, match="can't be read"):
        sha256 = load(path, entry)
    assert known_sha256(path) == expected_sha256(entry) == sha256
