"""Kept features: never computed twice, never another network's, whole or absent whatever happens."""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch
from made_networks import TINY_RECIPE, make_tiny_backbone
from made_pictures import make_picture, write_classes
from made_pythons import other_python
from made_rows import DIGESTS, KEY, ROWS

import tlkit as tl
from tlkit import storage
from tlkit.features import extract as extract_module
from tlkit.features.cache import feature_cache as cache_module
from tlkit.features.cache import shards
from tlkit.features.cache.feature_cache import FeatureCache
from tlkit.features.cache.inventory import KEY_NAME
from tlkit.features.cache.shards import write_shard


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def pictures(tmp_path):
    return write_classes(tmp_path / "pictures", {"bird": 3, "bug": 4})


@pytest.fixture
def images(pictures):
    return tl.load_images(pictures)


def extract(backbone, images, engine="torch", **options):
    return tl.extract_features(backbone, images, engine, progress=False, **options).values


def list_shards(folder):
    """Return all files but the one that names the network, half-written ones too."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != KEY_NAME)


def load(cache, digests=DIGESTS):
    """Return {digest: row} of the rows that are kept."""
    values = np.full((len(digests), *ROWS.shape[1:]), np.nan, np.float32)
    missing = set(cache.load(digests, values))
    return {digest: values[index] for index, digest in enumerate(digests) if index not in missing}


def holds_right_rows(cache, digests=DIGESTS):
    """Say whether the cache knows all the digests; whatever it says of one must be right."""
    rows = load(cache, digests)
    for digest, row in rows.items():
        assert np.array_equal(row, ROWS[DIGESTS.index(digest)])
    return rows.keys() == set(digests)


def test_the_second_call_computes_nothing_and_gives_the_same_bits(images, n_preprocessed):
    first = extract(make_tiny_backbone(), images)
    assert len(n_preprocessed) == 7
    assert np.array_equal(extract(make_tiny_backbone(), images), first)
    assert np.array_equal(extract(make_tiny_backbone(), images[[6, 2, 2]]), first[[6, 2, 2]])
    assert len(n_preprocessed) == 7


def test_only_added_pictures_are_computed(pictures, images, n_preprocessed):
    first = extract(make_tiny_backbone(), images)
    for number in (50, 51):
        make_picture(number).save(pictures / "bug" / f"added{number}.png")
    more = tl.load_images(pictures)
    values = extract(make_tiny_backbone(), more)
    assert len(n_preprocessed) == 9
    old = np.isin(more.names, images.names)
    assert np.array_equal(values[old], first)
    assert np.array_equal(values, extract(make_tiny_backbone(), more, cache=False))


def test_a_picture_with_other_content_under_the_same_name_size_and_time_is_computed(pictures, n_preprocessed):
    path = pictures / "bird" / "0.bmp"
    make_picture(70).save(path)
    images = tl.load_images(pictures)
    first = extract(make_tiny_backbone(), images)
    before = path.stat()
    make_picture(71).save(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    changed = extract(make_tiny_backbone(), images)
    assert len(n_preprocessed) == 9
    (place,) = np.flatnonzero(np.char.endswith(images.names, "0.bmp"))
    assert [i for i in range(len(images)) if not np.array_equal(changed[i], first[i])] == [place]


def test_without_cache_nothing_is_kept_or_asked(images, n_preprocessed, folder):
    extract(make_tiny_backbone(), images, cache=False)
    extract(make_tiny_backbone(), images, cache=False)
    assert len(n_preprocessed) == 14
    assert not folder.exists()


def change_weight(backbone):
    with torch.no_grad():
        backbone.body["stage1"][0].bias[0] += 1e-6
    return backbone


def change_statistics(backbone):
    backbone.body["stage1"][1].running_var[0] *= 1.001
    return backbone


@pytest.mark.parametrize(
    "make_other",
    [
        lambda: make_tiny_backbone(seed=1),
        lambda: change_weight(make_tiny_backbone()),
        lambda: change_statistics(make_tiny_backbone()),
        lambda: make_tiny_backbone(recipe=TINY_RECIPE.at(20)),
        lambda: make_tiny_backbone(recipe=type(TINY_RECIPE)(18, 16, "bilinear", (0.4, 0.5, 0.61), TINY_RECIPE.std)),
        lambda: make_tiny_backbone(recipe=type(TINY_RECIPE)(18, 16, "bicubic", TINY_RECIPE.mean, TINY_RECIPE.std)),
    ],
    ids=["seed", "weight", "statistics", "size", "mean", "interpolation"],
)
def test_the_cache_never_answers_for_another_network_or_recipe(make_other, images, n_preprocessed):
    extract(make_tiny_backbone(), images)
    other = extract(make_other(), images)
    assert len(n_preprocessed) == 14
    assert np.array_equal(other, extract(make_other(), images, cache=False))


def test_the_cache_never_answers_for_another_engine(images, n_preprocessed):
    extract(make_tiny_backbone(), images, "torch")
    extract(make_tiny_backbone(), images, "openvino")
    assert len(n_preprocessed) == 14


@pytest.mark.parametrize("library", ["torch", "pillow"])
def test_the_cache_never_answers_for_another_release(library, images, n_preprocessed, monkeypatch):
    import importlib.metadata

    extract(make_tiny_backbone(), images)
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "99.0" if name == library else real(name))
    extract(make_tiny_backbone(), images)
    assert len(n_preprocessed) == 14


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
def test_a_damaged_file_is_computed_again_with_a_warning(damage, images, n_preprocessed, folder):
    expected = extract(make_tiny_backbone(), images)
    (path,) = folder.rglob("*.shard")
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[content.index(expected[2].tobytes())] ^= 1
    path.write_bytes(content[: {"flipped": None, "truncated": len(content) // 2, "empty": 0}[damage]])
    with pytest.warns(UserWarning, match=r"\.shard is damaged .*; its features are computed again"):
        values = extract(make_tiny_backbone(), images)
    assert np.array_equal(values, expected)
    assert len(n_preprocessed) == 14
    assert np.array_equal(extract(make_tiny_backbone(), images), expected)
    assert len(n_preprocessed) == 14


def test_rows_of_another_shape_are_not_answered():
    cache = FeatureCache(KEY)
    cache.store(DIGESTS, ROWS[:, :29])
    with pytest.warns(UserWarning, match=r"is damaged \(its rows have shape \(29,\), expected \(30,\)\)"):
        assert load(cache) == {}
    assert not list_shards(cache.folder)


def test_only_what_is_kept_is_answered():
    cache = FeatureCache(KEY)
    assert load(cache) == {}
    cache.store(DIGESTS[:5], ROWS[:5])
    cache.store(DIGESTS[5:12], ROWS[5:12])
    assert holds_right_rows(cache, DIGESTS[:12])
    assert set(load(cache)) == set(DIGESTS[:12])
    assert set(load(cache, DIGESTS[3:4] + DIGESTS[15:])) == {DIGESTS[3]}
    for other in ({**KEY, "engine": "torch 3"}, {**KEY, "precision": "exact"}):
        assert load(FeatureCache(other)) == {}


def test_pictures_that_stand_there_twice_get_a_row_each():
    cache, order = FeatureCache(KEY), [3, 1, 3, 7, 1, 7, 3]
    cache.store(DIGESTS[:5], ROWS[:5])
    values = np.zeros((len(order), ROWS.shape[1]), np.float32)
    assert cache.load([DIGESTS[index] for index in order], values) == [3, 5]
    known = [0, 1, 2, 4, 6]
    assert np.array_equal(values[known], ROWS[order][known])


def test_maps_are_kept_as_they_are():
    cache, maps = FeatureCache(KEY), ROWS[:6].reshape(6, 5, 3, 2)
    cache.store(DIGESTS[:6], maps)
    values = np.zeros_like(maps)
    assert cache.load(DIGESTS[:6][::-1], values) == []
    assert np.array_equal(values, maps[::-1])


def test_values_are_read_only_where_some_of_them_are_wanted(monkeypatch):
    cache, read = FeatureCache(KEY), []
    for place in range(0, 20, 5):
        cache.store(DIGESTS[place : place + 5], ROWS[place : place + 5])
    real = shards.Shard.read_values
    monkeypatch.setattr(shards.Shard, "read_values", lambda shard: (read.append(shard.digests), real(shard))[1])
    assert holds_right_rows(cache, [DIGESTS[6], DIGESTS[19]])
    assert sorted(read) == [[bytes.fromhex(digest) for digest in DIGESTS[place : place + 5]] for place in (5, 15)]


def test_what_is_read_counts_as_used():
    cache = FeatureCache(KEY)
    cache.store(DIGESTS[:5], ROWS[:5])
    cache.store(DIGESTS[5:9], ROWS[5:9])
    for path in list_shards(cache.folder):
        os.utime(path, (1e9, 1e9))
    load(cache, DIGESTS[6:7])
    assert sorted(path.stat().st_mtime > 1e9 for path in list_shards(cache.folder)) == [False, True]


def test_a_folder_says_what_made_its_features_and_works_without_saying():
    cache = FeatureCache(KEY)
    cache.store(DIGESTS[:5], ROWS[:5])
    assert json.loads((cache.folder / KEY_NAME).read_text()) == KEY
    (cache.folder / KEY_NAME).unlink()
    assert holds_right_rows(cache, DIGESTS[:5])
    (cache.folder / KEY_NAME).write_text("{")
    cache.store(DIGESTS[5:], ROWS[5:])
    assert holds_right_rows(cache)


def test_another_layout_has_other_folders(monkeypatch):
    FeatureCache(KEY).store(DIGESTS, ROWS)
    monkeypatch.setattr(cache_module, "_LAYOUT", "3")
    assert load(FeatureCache(KEY)) == {}


@pytest.mark.parametrize("error", [FileNotFoundError, FileExistsError])
def test_a_folder_that_vanishes_each_time_it_is_written_into_is_made_again(error, monkeypatch):
    cache, real, n_left = FeatureCache(KEY), cache_module.write_shard, iter(range(5))

    def write_shard(path, *arguments):
        if next(n_left, None) is None:
            return real(path, *arguments)
        raise error(2, "No such file or directory", str(path))

    monkeypatch.setattr(cache_module, "write_shard", write_shard)
    cache.store(DIGESTS, ROWS)
    assert holds_right_rows(cache)


@pytest.mark.parametrize("text", ["plenty", "0", "-3", "nan"])
def test_a_nonsensical_limit_is_said_before_anything_is_computed(text, images, n_preprocessed, folder, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE_LIMIT_GB", text)
    with pytest.raises(ValueError, match=f"TLKIT_CACHE_LIMIT_GB: '{text}', expected a number of gigabytes above 0"):
        extract(make_tiny_backbone(), images)
    assert not n_preprocessed
    assert not folder.exists()


@pytest.mark.parametrize("where", ["replace", "fsync"])
def test_a_full_disk_costs_no_features_and_leaves_no_file(where, images, n_preprocessed, folder, monkeypatch):
    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    expected = extract(make_tiny_backbone(), images, cache=False)
    with monkeypatch.context() as patch:
        patch.setattr(os, where, fail)
        with pytest.warns(UserWarning, match=r"can't be kept in .*No space left.*TLKIT_CACHE_DIR"):
            values = extract(make_tiny_backbone(), images)
    assert np.array_equal(values, expected)
    assert not list_shards(folder)
    assert np.array_equal(extract(make_tiny_backbone(), images), expected)
    assert len(n_preprocessed) == 21


LIMITED = """
import resource, sys, warnings
import numpy as np
import tlkit as tl
from made_networks import make_tiny_backbone
images = tl.load_images(sys.argv[1])
expected = tl.extract_features(make_tiny_backbone(), images, sys.argv[2], cache=False, progress=False).values
from tlkit.storage import cache_folder
import shutil
shutil.rmtree(cache_folder())
resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    values = tl.extract_features(make_tiny_backbone(), images, sys.argv[2], progress=False).values
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert np.array_equal(values, expected)
for warning in caught:
    print(warning.message)
print([path.name for path in cache_folder().rglob("*") if path.is_file() and path.suffix != ".lock"])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_a_disk_that_takes_no_more_costs_no_features(pictures):
    with other_python(LIMITED, pictures, "openvino") as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "the converted network can't be kept" in out
    assert "the features can't be kept" in out
    assert out.splitlines()[-1] == "[]"


WRITER = """
import sys
from tlkit.features.cache.feature_cache import FeatureCache
from made_pythons import other_python
from made_rows import DIGESTS, KEY, ROWS
cache = FeatureCache(KEY)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(40):
    size = 5 + 5 * (turn % 3)
    cache.store(DIGESTS[:size], ROWS[:size])
"""


@pytest.mark.slow
def test_two_processes_may_write_at_once_while_another_reads():
    cache, n_reads = FeatureCache(KEY), 0
    with other_python(WRITER) as first, other_python(WRITER) as second:
        for writer in (first, second):
            assert writer.stdout.readline() == "ready\n"
        for writer in (first, second):
            writer.stdin.write("go\n")
            writer.stdin.flush()
        while first.poll() is None or second.poll() is None:
            holds_right_rows(cache, DIGESTS[:15])
            n_reads += 1
        for writer in (first, second):
            assert writer.returncode == 0, writer.stderr.read()
    assert n_reads > 10
    assert holds_right_rows(cache, DIGESTS[:15])
    assert len(list_shards(cache.folder)) == 3, "half-written files were left"


def test_a_file_that_another_process_has_just_removed_is_passed_over(monkeypatch):
    cache = FeatureCache(KEY)
    cache.store(DIGESTS[:5], ROWS[:5])
    removed = list_shards(cache.folder)
    cache.store(DIGESTS[5:9], ROWS[5:9])
    listed = list_shards(cache.folder)
    removed[0].unlink()
    monkeypatch.setattr(FeatureCache, "_list_shards", lambda self: listed)
    assert set(load(cache)) == set(DIGESTS[5:9])


def test_a_damaged_file_that_can_not_be_removed_is_still_passed_over(monkeypatch):
    cache = FeatureCache(KEY)
    cache.store(DIGESTS, ROWS)
    (path,) = list_shards(cache.folder)
    path.write_bytes(b"")

    def fail(self, missing_ok=False):
        raise PermissionError(13, "in use", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail)
        with pytest.warns(UserWarning, match="is damaged"):
            assert load(cache) == {}


def test_a_file_that_can_not_be_read_now_is_left_alone(monkeypatch):
    cache = FeatureCache(KEY)
    cache.store(DIGESTS, ROWS)

    def fail(shard):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(shards.Shard, "read_values", fail)
        with pytest.warns(UserWarning, match=r"can't be read \(.*Input/output error\); its features are"):
            assert load(cache) == {}
    assert holds_right_rows(cache)


def test_an_unwritable_cache_folder_costs_no_features(images, tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "a file" / "cache"))
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, appauthor: str(tmp_path / "own"))
    expected = extract(make_tiny_backbone(), images, cache=False)
    with pytest.warns(UserWarning, match=r"the cache folder .* can't be written to .*TLKIT_CACHE_DIR"):
        assert np.array_equal(extract(make_tiny_backbone(), images), expected)


def test_what_is_rewritten_while_it_is_computed_is_not_kept_under_its_old_digest(images, pictures, monkeypatch):
    from tlkit.features import extract as extract_module

    path, backbone, real = pictures / "bird" / "0.png", make_tiny_backbone(), extract_module.read_crops
    content = path.read_bytes()
    expected = extract(backbone, images, cache=False)

    def read_crops(*arguments):
        make_picture(70).save(path)  # after the digests were taken
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(extract_module, "read_crops", read_crops)
        assert not np.array_equal(extract(backbone, images), expected)
    path.write_bytes(content)
    assert np.array_equal(extract(backbone, images), expected)


def test_the_cache_never_answers_for_another_stage_pooling_or_precision(images, n_preprocessed):
    backbone = make_tiny_backbone()
    asked = [{}, {"stage": "stem"}, {"stage": "stage1"}, {"stage": "stage1", "pooled": False}, {"precision": "fast"}]
    first = [extract(backbone, images, **options) for options in asked]
    assert len(n_preprocessed) == len(asked) * len(images)
    for options, values in zip(asked, first, strict=True):
        assert np.array_equal(extract(backbone, images, **options), values)
        assert np.array_equal(extract(backbone, images, cache=False, **options), values)
    assert len(n_preprocessed) == 2 * len(asked) * len(images), "what is kept is found again"


@pytest.fixture
def n_opened(monkeypatch):
    """A list of the shards that look-ups open."""
    opened, real = [], cache_module.Shard
    monkeypatch.setattr(cache_module, "Shard", lambda path: (opened.append(path), real(path))[1])
    return opened


@pytest.mark.parametrize("n_rows", [1, 2])
def test_a_look_up_does_not_open_a_file_per_call_before(n_rows, n_opened):
    rows = np.random.default_rng(1).normal(size=(400, 6)).astype(np.float32)
    digests = [f"{number:064x}" for number in range(1000, 1400)]
    cache = FeatureCache(KEY)
    for start in range(0, len(rows), n_rows):
        cache.store(digests[start : start + n_rows], rows[start : start + n_rows])
    found = np.zeros((1, 6), np.float32)
    assert FeatureCache(KEY).load(DIGESTS[:1], found) == [0]
    assert len(n_opened) < 40
    values = np.zeros_like(rows)
    assert FeatureCache(KEY).load(digests, values) == []
    assert np.array_equal(values, rows)


def test_joining_small_files_loses_nothing_on_a_full_disk_or_beside_a_damaged_one(monkeypatch):
    cache = FeatureCache(KEY)
    digests = [f"{number:064x}" for number in range(40)]
    rows = np.random.default_rng(1).normal(size=(40, 6)).astype(np.float32)
    for digest, row in zip(digests, rows, strict=True):
        cache.store([digest], row[None])
    damaged = list_shards(cache.folder)[3]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    before = list_shards(cache.folder)
    values = np.zeros_like(rows)

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        assert FeatureCache(KEY).load(DIGESTS[:0], values[:0]) == []
    assert list_shards(cache.folder) == before
    with pytest.warns(UserWarning, match="is damaged"):
        missing = FeatureCache(KEY).load(digests, values)
    assert len(missing) == 1
    kept = np.setdiff1d(range(40), missing)
    assert np.array_equal(values[kept], rows[kept])
    assert len(list_shards(cache.folder)) < 10


def test_a_folder_that_is_only_read_is_used_and_new_features_go_to_ones_own(
    images, tmp_path, monkeypatch, n_preprocessed
):
    teacher, own = tmp_path / "teacher", tmp_path / "own"
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda name, appauthor: str(own))
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(teacher))
    first = extract(make_tiny_backbone(), images[:4])
    before, real = sorted(teacher.rglob("*")), tempfile.TemporaryFile

    def refuse(*arguments, dir=None, **keywords):
        if Path(dir).is_relative_to(teacher):
            raise OSError(30, "Read-only file system", str(dir))
        return real(*arguments, dir=dir, **keywords)

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    storage._find_folders.cache_clear()
    with pytest.warns(UserWarning, match=r"teacher can't be written to \(Read-only file system\).*kept in .*own"):
        values = extract(make_tiny_backbone(), images)
    assert np.array_equal(values[:4], first)
    assert len(n_preprocessed) == 7
    assert [path for path in sorted(teacher.rglob("*")) if not path.name.startswith("user-")] == before
    assert np.array_equal(extract(make_tiny_backbone(), images), values)
    assert len(n_preprocessed) == 7
    assert len(list(own.rglob("*.shard"))) == 1


def test_features_of_a_stranger_are_not_believed(images, folder, monkeypatch):
    true = extract(make_tiny_backbone(), images)
    (path,) = list_shards(folder)
    write_shard(path, [bytes.fromhex(images.digest(index)) for index in range(7)], np.ones_like(true))
    assert (extract(make_tiny_backbone(), images) == 1).all()
    folder.parent.chmod(0o1777)
    real = Path.lstat

    def look(one):
        values = list(real(one)[:10])
        values[4] += 12345 * (one.suffix == ".shard")
        return os.stat_result(values)

    monkeypatch.setattr(Path, "lstat", look)
    assert np.array_equal(extract(make_tiny_backbone(), images), true)


def test_a_cache_that_fails_is_one_warning_and_costs_no_features(images, monkeypatch):
    expected = extract(make_tiny_backbone(), images)

    def fail(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shards, "list_shards", fail)
    monkeypatch.setattr(cache_module, "write_shard", fail)
    monkeypatch.setattr(extract_module, "_MAX_SHARD_ROWS", 1)
    with pytest.warns(UserWarning, match="Permission denied") as caught:
        assert np.array_equal(extract(make_tiny_backbone(), images), expected)
    assert len(caught) == 1
