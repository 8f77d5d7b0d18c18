"""Kept features: never computed twice, never another network's, whole or absent whatever happens."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_networks import TINY_RECIPE, make_tiny_backbone
from made_pictures import make_picture, write_classes
from made_rows import DIGESTS, KEY, ROWS

import tlkit as tl
from tlkit.features.cache import FeatureCache


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
    return sorted(folder.rglob("*"))


def holds_right_rows(cache, digests=DIGESTS):
    """Say whether the cache knows all the digests; whatever it says of one must be right."""
    rows = cache.load(digests)
    for digest, row in rows.items():
        assert np.array_equal(row, ROWS[DIGESTS.index(digest)])
    return rows.keys() == set(digests)


@contextlib.contextmanager
def other_python(code, *arguments):
    """Run code in another Python that has the tests' helpers; where the test fails, it is ended."""
    tests = str(Path(__file__).parent)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([tests, str(Path(tests).parent)])}
    command = [sys.executable, "-W", "error", "-c", code, *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


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
    (path,) = folder.rglob("*.npz")
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[content.index(expected[2].tobytes())] ^= 1
    path.write_bytes(content[: {"flipped": None, "truncated": len(content) // 2, "empty": 0}[damage]])
    with pytest.warns(UserWarning, match=r"\.npz is damaged; what it held is computed again"):
        values = extract(make_tiny_backbone(), images)
    assert np.array_equal(values, expected)
    assert len(n_preprocessed) == 14
    assert np.array_equal(extract(make_tiny_backbone(), images), expected)
    assert len(n_preprocessed) == 14


@pytest.mark.filterwarnings("ignore:.*is damaged")
def test_no_flipped_byte_anywhere_gives_a_wrong_row():
    cache = FeatureCache(KEY)
    cache.store(DIGESTS, ROWS)
    (path,) = cache.folder.glob("*.npz")
    content = path.read_bytes()
    n_found = 0
    for place in range(0, len(content), 13):
        changed = bytearray(content)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        n_found += not holds_right_rows(cache)
        path.write_bytes(content)
    assert n_found > len(content) / 13 / 2


def test_rows_that_are_not_those_that_were_stored_are_not_answered():
    cache = FeatureCache(KEY)
    cache.store(DIGESTS, ROWS)
    (path,) = list_shards(cache.folder)
    with np.load(path) as content:
        arrays = dict(content)
    arrays["digests"] = arrays["digests"][::-1]
    np.savez(path, **arrays)
    with pytest.warns(UserWarning, match="is damaged"):
        assert cache.load(DIGESTS) == {}


def test_only_what_is_kept_is_answered():
    cache = FeatureCache(KEY)
    assert cache.load(DIGESTS) == {}
    cache.store(DIGESTS[:5], ROWS[:5])
    cache.store(DIGESTS[5:12], ROWS[5:12])
    assert holds_right_rows(cache, DIGESTS[:12])
    assert set(cache.load(DIGESTS)) == set(DIGESTS[:12])
    assert set(cache.load(DIGESTS[3:4] + DIGESTS[15:])) == {DIGESTS[3]}
    for other in ({**KEY, "engine": "torch 3"}, {**KEY, "precision": "exact"}):
        assert FeatureCache(other).load(DIGESTS) == {}


@pytest.mark.parametrize("where", ["savez", "replace", "fsync"])
def test_a_full_disk_costs_no_features_and_leaves_no_file(where, images, n_preprocessed, folder, monkeypatch):
    def fail(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    expected = extract(make_tiny_backbone(), images, cache=False)
    with monkeypatch.context() as patch:
        patch.setattr(np if where == "savez" else os, where, fail)
        with pytest.warns(UserWarning, match=r"can't be kept in .*No space left.*TLKIT_CACHE_DIR"):
            values = extract(make_tiny_backbone(), images)
    assert np.array_equal(values, expected)
    assert not [path for path in list_shards(folder) if path.is_file()]
    assert np.array_equal(extract(make_tiny_backbone(), images), expected)
    assert len(n_preprocessed) == 21


def test_a_failed_overwrite_leaves_the_good_file(monkeypatch):
    cache = FeatureCache(KEY)
    cache.store(DIGESTS, ROWS)
    before = [path.read_bytes() for path in list_shards(cache.folder)]

    def fail(file, **arrays):
        file.write(b"a part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space left"):
        cache.store(DIGESTS, ROWS)
    assert [path.read_bytes() for path in list_shards(cache.folder)] == before


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
resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    values = tl.extract_features(make_tiny_backbone(), images, sys.argv[2], progress=False).values
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert np.array_equal(values, expected)
for warning in caught:
    print(warning.message)
print([path.name for path in cache_folder().rglob("*") if path.is_file()])
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


KILLED = """
import io, os, signal, sys
import numpy as np
from tlkit.features.cache import FeatureCache
from made_rows import DIGESTS, KEY, ROWS
real = np.savez
def savez(file, **arrays):
    whole = io.BytesIO()
    real(whole, **arrays)
    file.write(whole.getvalue()[: int(float(sys.argv[1]) * whole.tell())])
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
np.savez = savez
FeatureCache(KEY).store(DIGESTS, ROWS)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_writer_killed_in_the_middle_leaves_the_cache_right(share):
    with other_python(KILLED, share) as process:
        process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    cache = FeatureCache(KEY)
    assert len(list_shards(cache.folder)) == 1, "the half-written file is to be there for this test"
    assert cache.load(DIGESTS) == {}  # without a warning: it is no damaged file
    cache.store(DIGESTS, ROWS)
    assert holds_right_rows(cache)


WRITER = """
import sys
from tlkit.features.cache import FeatureCache
from made_rows import DIGESTS, KEY, ROWS
cache = FeatureCache(KEY)
print("ready", flush=True)
sys.stdin.readline()
for turn in range(40):
    size = 5 + 5 * (turn % 3)
    cache.store(DIGESTS[:size], ROWS[:size])
"""


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
    monkeypatch.setattr(Path, "glob", lambda self, pattern: listed)
    assert set(cache.load(DIGESTS)) == set(DIGESTS[5:9])


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
            assert cache.load(DIGESTS) == {}


def test_an_unwritable_cache_folder_costs_no_features(images, tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "a file" / "cache"))
    expected = extract(make_tiny_backbone(), images, cache=False)
    with pytest.warns(UserWarning, match=r"the cache folder .* can't be written to .*TLKIT_CACHE_DIR"):
        assert np.array_equal(extract(make_tiny_backbone(), images), expected)
