"""The size of the cache: what was used longest ago goes, what is in use stays."""

import os
import time
import warnings
from pathlib import Path

import filelock
import numpy as np
import pytest
from made_rows import DIGESTS, KEY, ROWS

from tlkit.features.cache import feature_cache as cache_module
from tlkit.features.cache import inventory
from tlkit.features.cache.feature_cache import FeatureCache
from tlkit.features.cache.inventory import list_kept, make_room, read_limit_bytes

LONG_AGO_S = 1.5e9
NETWORK = f"{'ab' * 16}-openvino-1-stages"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(path, n_bytes, used_s):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(n_bytes))
    os.utime(path, (used_s, used_s))
    return path


def fill(folder, n_files=10, n_bytes=100):
    """Write features of two networks, used one second after the other; returns the paths, oldest first."""
    return [
        write(folder / "features" / f"{number % 2:032x}" / f"{9 - number}.shard", n_bytes, LONG_AGO_S + number)
        for number in range(n_files)
    ]


def list_there(paths):
    return [path for path in paths if path.exists()]


@pytest.mark.parametrize(("text", "expected_bytes"), [(None, 20e9), ("", 20e9), ("1.5", 1.5e9), ("inf", float("inf"))])
def test_the_limit_is_what_the_environment_says(text, expected_bytes, monkeypatch):
    monkeypatch.delenv("TLKIT_CACHE_LIMIT_GB", raising=False)
    if text is not None:
        monkeypatch.setenv("TLKIT_CACHE_LIMIT_GB", text)
    assert read_limit_bytes() == expected_bytes


@pytest.mark.parametrize("text", ["plenty", "0", "-3", "nan", "20 GB"])
def test_a_nonsensical_limit_is_refused(text, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE_LIMIT_GB", text)
    with pytest.raises(ValueError, match=f"TLKIT_CACHE_LIMIT_GB: '{text}', expected a number of gigabytes above 0"):
        read_limit_bytes()


def test_nothing_goes_while_there_is_room(folder):
    paths = fill(folder)
    assert make_room(200, 1200, time.time()) == 200
    assert list_there(paths) == paths


def test_what_was_used_longest_ago_goes_first_until_a_tenth_is_free(folder):
    paths = fill(folder)
    assert make_room(200, 1000, time.time()) == 300
    assert list_there(paths) == paths[3:]
    os.utime(paths[3])
    make_room(200, 880, time.time() - 60)
    assert list_there(paths) == [paths[3], *paths[6:]]


def test_what_is_used_meanwhile_stays_and_the_lack_of_room_is_told(folder):
    paths = fill(folder)
    assert make_room(900, 1000, LONG_AGO_S + 4) == 400
    assert list_there(paths) == paths[4:]


def test_what_is_used_just_as_it_should_go_stays(folder, monkeypatch):
    paths, real = fill(folder), list_kept

    def list_and_use(kinds):
        kept = real(kinds)
        os.utime(paths[0])
        return kept

    monkeypatch.setattr(inventory, "list_kept", list_and_use)
    assert make_room(200, 1000, time.time()) == 300
    assert list_there(paths) == [paths[0], *paths[4:]]


def test_what_another_has_just_removed_is_room_too(folder, monkeypatch):
    paths, real = fill(folder), list_kept

    def list_and_remove(kinds):
        kept = real(kinds)
        paths[0].unlink()
        return kept

    monkeypatch.setattr(inventory, "list_kept", list_and_remove)
    assert make_room(200, 1000, time.time()) == 300
    assert list_there(paths) == paths[3:]


def test_networks_count_and_go_as_a_whole_and_weights_do_neither(folder):
    network = [
        write(folder / "converted" / f"{NETWORK}.{kind}", 100, LONG_AGO_S - 1) for kind in ("xml", "bin", "sha256")
    ]
    record = write(folder / "converted" / "remembered.json", 100, LONG_AGO_S)
    weights = write(folder / "weights" / "resnet18.pth", 10_000, LONG_AGO_S)
    paths = fill(folder, 3)
    assert make_room(100, 600, time.time()) == 300
    assert list_there([*network, record, weights, *paths]) == [record, weights, *paths]


def test_what_is_being_written_is_none_of_what_is_kept(folder):
    paths = fill(folder, 3)
    write(paths[0].with_name(f".partial-{1:032x}.shard"), 100, LONG_AGO_S)
    write(folder / "converted" / f".partial-{2:032x}.xml", 100, LONG_AGO_S)
    assert {one.paths for one in list_kept()} == {(path,) for path in paths}


def test_what_goes_while_it_is_listed_is_passed_over(folder, monkeypatch):
    paths, real = fill(folder, 3), inventory._weigh

    def remove_and_weigh(kind, files):
        paths[1].unlink(missing_ok=True)
        return real(kind, files)

    monkeypatch.setattr(inventory, "_weigh", remove_and_weigh)
    assert {one.paths for one in list_kept()} == {(paths[0],), (paths[2],)}


def test_the_hash_of_a_network_goes_first_so_that_nobody_reads_a_half(folder):
    for kind in ("bin", "sha256", "xml"):
        write(folder / "converted" / f"{NETWORK}.{kind}", 100, LONG_AGO_S)
    (network,) = list_kept(["converted"])
    assert network.paths[0].suffix == ".sha256"
    assert sorted(path.suffix for path in network.paths) == [".bin", ".sha256", ".xml"]


def test_it_waits_for_another_that_makes_room_but_not_forever(folder, monkeypatch):
    paths, real, tried = fill(folder), filelock.FileLock.acquire, []

    def acquire(lock, timeout):
        tried.append(timeout)
        return real(lock, timeout=0)

    with filelock.FileLock(folder / "features.lock"):
        monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
        assert make_room(200, 1000, time.time()) == 300
    assert tried == [10]
    assert list_there(paths) == paths[3:]


def test_what_killed_writers_left_goes_after_a_day(folder):
    paths, now_s = fill(folder), time.time()
    day_s = 24 * 60 * 60
    places = [folder / "features" / f"{0:032x}", folder / "features" / f"{2:032x}", folder / "converted"]
    old = [write(place / f".partial-{1:032x}.shard", 10, now_s - day_s - 60) for place in places]
    young = write(folder / "converted" / f".partial-{2:032x}.json", 10, now_s - day_s + 60)
    old.append(folder / "converted" / f".partial-{3:032x}abc")
    write(old[-1] / "half.bin", 10, now_s)
    os.utime(old[-1], (now_s - day_s - 60,) * 2)
    make_room(1, 10_000, now_s)
    assert not list_there(old)
    assert not (folder / "features" / f"{2:032x}").exists()
    assert list_there([young, *paths]) == [young, *paths]


def test_a_folder_that_another_removes_meanwhile_is_passed_over(folder, monkeypatch):
    paths = fill(folder)
    gone, listed = folder / "features" / "gone", inventory._list_folders
    monkeypatch.setattr(inventory, "_list_folders", lambda place: [gone, *listed(place)])
    # It goes after it was seen to be there.
    monkeypatch.setattr(Path, "is_dir", lambda path: True)
    inventory.tidy()
    assert list_there(paths) == paths


def store_one_by_one(cache):
    for digest, row in zip(DIGESTS, ROWS, strict=True):
        cache.store([digest], row[None])


def measure_bytes():
    return sum(one.size_bytes for one in list_kept())


def limit_to(monkeypatch, n_bytes):
    monkeypatch.setenv("TLKIT_CACHE_LIMIT_GB", str(n_bytes / 1e9))


def test_new_features_take_the_place_of_old_ones(folder, monkeypatch):
    store_one_by_one(FeatureCache(KEY))
    for number, one in enumerate(list_kept()):
        os.utime(one.paths[0], (LONG_AGO_S + number,) * 2)
    one_bytes, old = list_kept()[0].size_bytes, sorted(list_kept(), key=lambda kept: kept.used_s)
    limit_to(monkeypatch, 30 * one_bytes)
    other = FeatureCache(KEY | {"engine": "another"})
    for digest, row in zip(DIGESTS, ROWS, strict=True):
        other.store([digest], row[None])
        assert measure_bytes() <= 30 * one_bytes
    values = np.zeros_like(ROWS)
    assert other.load(DIGESTS, values) == []
    assert np.array_equal(values, ROWS)
    left = list_there([kept.paths[0] for kept in old])
    assert 5 < len(left) <= 10
    assert left == [kept.paths[0] for kept in old[-len(left) :]]


def test_a_call_that_is_larger_than_the_limit_keeps_what_fits_with_one_warning(monkeypatch):
    cache = FeatureCache(KEY)
    cache.store(DIGESTS[:1], ROWS[:1])
    one_bytes = list_kept()[0].size_bytes
    limit_to(monkeypatch, 10.5 * one_bytes)
    with pytest.warns(UserWarning, match=r"limit of .* GB; the rest of them is not kept.*TLKIT_CACHE_LIMIT_GB") as told:
        store_one_by_one(FeatureCache(KEY))
    assert len(told) == 1
    assert measure_bytes() == 10 * one_bytes
    # The next call finds the first ones, and doesn't remove for others what it has just used.
    cache, values = FeatureCache(KEY), np.zeros_like(ROWS)
    missing = cache.load(DIGESTS, values)
    assert missing == list(range(10, 20))
    with pytest.warns(UserWarning, match="the rest of them is not kept"):
        cache.store(DIGESTS[10:11], ROWS[10:11])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.store(DIGESTS[11:12], ROWS[11:12])
    assert FeatureCache(KEY).load(DIGESTS, values) == missing


def test_the_folder_is_not_searched_for_each_file(monkeypatch):
    searched, real = [], cache_module.make_room
    monkeypatch.setattr(cache_module, "make_room", lambda *arguments: (searched.append(1), real(*arguments))[1])
    store_one_by_one(FeatureCache(KEY))
    assert len(searched) == 1


def test_files_of_the_user_are_neither_counted_nor_removed(folder):
    own = [
        *("features/experiment/all.npy", "features/experiment/some.shard", f"features/{1:032x}/notes.csv"),
        *("converted/model.xml", "converted/model.onnx", f"converted/tmp-models/{NETWORK}.xml"),
        *("converted/.partial-download", f"features/{1:032x}/.partial-mine.shard", "weights/readme.txt"),
    ]
    paths = [write(folder / name, 1000, LONG_AGO_S) for name in own]
    (folder / "features" / "an empty folder").mkdir()
    os.utime(folder / "converted" / "tmp-models", (LONG_AGO_S,) * 2)
    kept = fill(folder, 3)
    assert make_room(10, 100, time.time()) == 100
    assert not list_there(kept)
    assert list_there(paths) == paths
    assert (folder / "features" / "an empty folder").is_dir()
    assert list_kept() == []


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="Links need rights on Windows")
@pytest.mark.parametrize("name", ["features", "converted", f"features/{5:032x}"])
def test_links_to_folders_of_others_are_not_followed(name, folder, tmp_path):
    victim = tmp_path / "victim"
    inside = {"features": f"{1:032x}/a.shard", "converted": f"{NETWORK}.xml"}.get(name, "a.shard")
    paths = [write(victim / inside, 100, LONG_AGO_S), write(victim / f".partial-{1:032x}.shard", 100, LONG_AGO_S)]
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).symlink_to(victim, target_is_directory=True)
    assert list_kept() == []
    make_room(10, 20, time.time())
    assert list_there(paths) == paths
