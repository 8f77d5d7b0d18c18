"""Killed at any moment, emptied at any moment, used by many at once: the cache is never wrong."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
from made_pythons import other_python
from made_rows import DIGESTS, KEY, ROWS

from tlkit.features.cache.feature_cache import FeatureCache
from tlkit.features.cache.inventory import KEY_NAME, list_kept, remove, tidy

needs_sigkill = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
pytestmark = pytest.mark.slow
N_KILLS = 20


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def list_all_files(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())


# Extraction in small: what isn't kept is computed and kept, some pictures at a time. Ends with an error where a row
# that was answered is wrong. With a number it kills itself at the so manyth line that writes a file.
WORKER = """
import os, signal, sys
import numpy as np
from made_rows import KEY, make_row
from tlkit.features.cache.feature_cache import FeatureCache

last_line, n_lines = int(sys.argv[1]), 0

def watch(frame, event, argument):
    global n_lines
    if not frame.f_code.co_filename.endswith(("shards.py", "storage.py")):
        return None
    if event == "line":
        n_lines += 1
        if n_lines == last_line:
            os.kill(os.getpid(), signal.SIGKILL)
    return watch

digests = [f"{number:064x}" for number in range(300)]
values = np.empty((300, 2000), np.float32)
print("ready", flush=True)
cache = FeatureCache(KEY)
missing = cache.load(digests, values)
for index in set(range(300)) - set(missing):
    assert np.array_equal(values[index], make_row(digests[index])), f"row {index} is wrong"
if last_line:
    sys.settrace(watch)
for place in range(0, len(missing), 10):
    some = [digests[index] for index in missing[place : place + 10]]
    cache.store(some, np.stack([make_row(digest) for digest in some]))
"""


def read_all(cache):
    values = np.empty((300, 2000), np.float32)
    assert cache.load([f"{number:064x}" for number in range(300)], values) == []
    return values.tobytes()


def run_undisturbed(tmp_path, monkeypatch):
    """Do the whole work in another cache; returns the bytes of all rows."""
    with monkeypatch.context() as patch:
        patch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "undisturbed"))
        with other_python(WORKER, 0) as process:
            _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return read_all(FeatureCache(KEY))


def finish_and_compare(folder, expected):
    with other_python(WORKER, 0) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    cache = FeatureCache(KEY)
    assert read_all(cache) == expected
    # Files that killed processes left do no harm, and go when they are a day old.
    for path in folder.rglob(".partial-*"):
        os.utime(path, (time.time() - 25 * 60 * 60,) * 2)
    cache.store(DIGESTS[:1], np.zeros((1, 2000), np.float32))
    shards = {path.name for path in list_all_files(cache.folder)} - {KEY_NAME}
    assert all(name.endswith(".shard") and not name.startswith(".") for name in shards)
    assert {path.parts[0] for path in list_all_files(folder)} <= {"features", "features.lock"}


@needs_sigkill
def test_killed_at_random_lines_it_ends_equal_to_one_never_disturbed(folder, tmp_path, monkeypatch):
    expected = run_undisturbed(tmp_path, monkeypatch)
    generator = np.random.default_rng(0)
    for _ in range(N_KILLS):
        with other_python(WORKER, generator.integers(1, 40)) as process:
            _, err = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, err
    assert len(list(folder.rglob(".partial-*"))) > 0, "none was killed as it wrote"
    assert len(list(folder.rglob("*.shard"))) > 3, "too few were killed after they had written"
    finish_and_compare(folder, expected)


@needs_sigkill
def test_two_that_are_killed_at_random_moments_end_equal_to_one_never_disturbed(folder, tmp_path, monkeypatch):
    expected = run_undisturbed(tmp_path, monkeypatch)
    generator = np.random.default_rng(1)
    for _ in range(N_KILLS // 2):
        with other_python(WORKER, 0) as first, other_python(WORKER, 0) as second:
            for process in (first, second):
                assert process.stdout.readline() == "ready\n"
            for process in (first, second):
                time.sleep(generator.uniform(0, 0.02))
                process.kill()
            for process in (first, second):
                _, err = process.communicate(timeout=120)
                assert process.returncode in (-signal.SIGKILL, 0), err
    finish_and_compare(folder, expected)


HALF_WRITTEN = """
import os, signal, sys
from made_rows import DIGESTS, KEY, ROWS
from tlkit.features.cache import shards
from tlkit.features.cache.feature_cache import FeatureCache
class Dying:
    def __init__(self, file):
        self.file, self.left = file, int(sys.argv[1])
    def __enter__(self):
        return self
    def __exit__(self, *ended):
        self.file.close()
        os.kill(os.getpid(), signal.SIGKILL)
    def write(self, content):
        content = bytes(content)[: self.left]
        self.left -= self.file.write(content)
shards.open = lambda path, mode: Dying(open(path, mode))
FeatureCache(KEY).store(DIGESTS, ROWS)
"""


@needs_sigkill
@pytest.mark.parametrize("n_bytes", [0, 50, 1000, 10_000])
def test_one_killed_as_it_writes_leaves_no_shard_and_the_next_is_not_disturbed(n_bytes, folder):
    with other_python(HALF_WRITTEN, n_bytes) as process:
        process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    (partial,) = folder.rglob(".partial-*.shard")
    assert partial.stat().st_size <= n_bytes
    cache, values = FeatureCache(KEY), np.empty_like(ROWS)
    assert cache.load(DIGESTS, values) == list(range(20))  # without a warning: it is no damaged shard
    cache.store(DIGESTS, ROWS)
    assert cache.load(DIGESTS, values) == []
    assert np.array_equal(values, ROWS)


EMPTYING = """
import sys
from tlkit.features.cache.inventory import list_kept, remove, tidy
print("ready", flush=True)
sys.stdin.readline()
for turn in range(60):
    for one in list_kept(["features"])[turn % 2 ::]:
        remove(one)
    tidy()
"""


def test_reading_and_writing_go_on_while_another_empties_the_cache():
    values, n_found = np.empty_like(ROWS), 0
    with other_python(EMPTYING) as process:
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        while process.poll() is None:
            cache = FeatureCache(KEY)
            for place in range(0, 20, 5):
                cache.store(DIGESTS[place : place + 5], ROWS[place : place + 5])
            values.fill(np.nan)
            found = sorted(set(range(20)) - set(cache.load(DIGESTS, values)))
            assert np.array_equal(values[found], ROWS[found])
            n_found += len(found)
        assert process.returncode == 0, process.stderr.read()
    assert n_found
    cache.store(DIGESTS, ROWS)
    assert cache.load(DIGESTS, values) == []


def test_threads_may_store_load_and_remove_at_once():
    failures = []

    def use(number):
        generator = np.random.default_rng(number)
        try:
            for _ in range(20):
                cache, values = FeatureCache(KEY), np.full_like(ROWS, np.nan)
                some = generator.permutation(20)[:6]
                cache.store([DIGESTS[index] for index in some], ROWS[some])
                found = sorted(set(range(20)) - set(cache.load(DIGESTS, values)))
                assert np.array_equal(values[found], ROWS[found])
                for one in list_kept(["features"])[::3]:
                    remove(one)
                tidy()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []
