"""Killed at any moment and gone on with, a training ends with the same bits as one that never was."""

import json
import os
import signal
import sys

import numpy as np
import pytest
from made_encoders import write_encoder
from made_pythons import other_python
from made_resumable import SERVER

import tlkit as tl
from tlkit.storage import cache_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither SIGKILL nor fork"),
]
N_KILLS = 20
KILLED = -signal.SIGKILL
OF_WRITING = ("checkpoints.py", "storage.py")


class Attempts:
    """Trainings in processes of their own that share a folder of checkpoints; what they write down is `records`."""

    def __init__(self, process, folder, texts=None):
        self.process, self.folder, self.log = process, folder, folder.parent / f"{folder.name}.log"
        self.settings = {"folder": str(folder), "log": str(self.log)} | ({"texts": texts} if texts else {})

    def run(self, **attempt):
        """Run one and return its exit code."""
        self.process.stdin.write(json.dumps(attempt | self.settings) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline() or self.process.communicate()[1])

    @property
    def records(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def list(self, kind):
        """All that was written down of a kind."""
        return [record[kind] for record in self.records if kind in record]

    def check(self, undisturbed):
        """Fail where a step or the end had other bits than in a training that nothing disturbed."""
        assert self.list("error") == []
        expected = {tuple(record["step"]): record["hash"] for record in undisturbed.records if "step" in record}
        steps = [(tuple(record["step"]), record["hash"]) for record in self.records if "step" in record]
        assert [step for step, digest in steps if digest != expected[step]] == []
        assert {step for step, _ in steps} == set(expected)
        assert set(self.list("end")) == set(undisturbed.list("end"))
        left = {path.suffix for path in self.folder.iterdir()}
        assert left == {".json", ".safetensors", ".lock"}
        assert len(list(self.folder.iterdir())) in (3, 5)  # two checkpoints, or the only one of a solved head


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    cache, kept = tmp_path_factory.mktemp("cache"), cache_folder() / "weights"
    if kept.is_dir():
        (cache / "weights").symlink_to(kept)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TLKIT_CACHE_DIR", str(cache))
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # threads don't come along into a forked process
            patch.setenv(name, "1")
        with other_python(SERVER) as process:
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
            yield process


@pytest.fixture(scope="module")
def undisturbed(server, tmp_path_factory):
    attempts = Attempts(server, tmp_path_factory.mktemp("undisturbed") / "never")
    assert attempts.run(line=0) == 0
    return attempts


@pytest.fixture
def attempts(server, tmp_path):
    return Attempts(server, tmp_path / "killed")


def draw_kills(undisturbed, generator):
    """Return where to kill, in order: a line of a file after a step, each file as likely as the others.

    The first is in the frozen prefix, two are in `finish`.
    """
    steps = [record for record in undisturbed.records if "lines" in record]
    places = [None, *(record.get("step") for record in steps)]  # the lines that ran before the first step come first
    after = sorted(generator.choice(np.arange(1, len(steps) - 1), N_KILLS - 4, replace=False))
    kills = []
    for place in (0, 0, *after, len(steps) - 1, len(steps) - 1):
        lines = steps[place]["lines"]
        file = generator.choice(sorted(lines))
        if place == 0 and not kills:
            file = "frozen_prefix.py"
        if place == len(steps) - 1:
            file = "precise_batch_norm.py"
        kills.append({"after_step": places[place], "file": str(file), "line": int(generator.integers(lines[file])) + 1})
    kills[-1]["after_step"] = None  # `finish` alone is left then
    return kills


def test_killed_twenty_times_at_random_lines_it_ends_with_the_same_bits(undisturbed, attempts):
    for kill in draw_kills(undisturbed, np.random.default_rng(0)):
        assert attempts.run(**kill) == KILLED, kill
    assert attempts.run() == 0
    attempts.check(undisturbed)
    killed_in = {where.partition(":")[0] for where in attempts.list("killed")}
    assert len(attempts.list("killed")) == N_KILLS
    assert killed_in >= {"frozen_prefix.py", "precise_batch_norm.py"}
    assert not killed_in.isdisjoint(OF_WRITING)


def test_killed_as_it_writes_a_checkpoint_it_ends_with_the_same_bits(undisturbed, attempts):
    step = [1, 0, 2]
    (lines,) = (record["lines"] for record in undisturbed.records if record.get("step") == [1, 0, 3])
    seen = set()
    for file in ("checkpoints.py", "storage.py"):
        generator = np.random.default_rng(len(file))
        for line in generator.choice(lines[file], 4, replace=False):
            assert attempts.run(after_step=step, file=file, line=int(line) + 1) == KILLED
            seen.add(attempts.list("killed")[-1])
    assert len(seen) > 4
    assert attempts.run() == 0
    attempts.check(undisturbed)


@pytest.mark.parametrize("n_bytes", [0, 100, 5000])
def test_killed_with_a_file_of_weights_half_written(undisturbed, attempts, n_bytes):
    assert attempts.run(after_step=[1, 1, 1], line=1) == KILLED
    before = {path.name for path in attempts.folder.iterdir()}
    assert attempts.run(n_bytes=n_bytes) == KILLED
    (beside,) = (path for path in attempts.folder.iterdir() if path.name not in before)
    (partial,) = beside.iterdir()
    assert beside.name.startswith(".partial-") and partial.stat().st_size == n_bytes
    assert attempts.run() == 0
    attempts.check(undisturbed)


def test_killed_between_weights_and_description_no_checkpoint_is_left(undisturbed, attempts):
    assert attempts.run(after_step=[1, 1, 1], line=1) == KILLED
    newest = max(attempts.folder.glob("*.json"))
    newest.unlink()
    orphan = newest.with_suffix(".safetensors")
    os.replace(orphan, orphan.with_name("checkpoint-00000099.safetensors"))
    assert attempts.run() == 0
    attempts.check(undisturbed)


def test_killed_by_the_clock_it_ends_with_the_same_bits(undisturbed, attempts):
    generator = np.random.default_rng(2)
    for _ in range(6):
        assert attempts.run(after_s=generator.uniform(0.05, 0.5)) in (KILLED, 0)
    assert attempts.run() == 0
    attempts.check(undisturbed)


def check_killed_training_of_texts(server, folder, encoder, strategy, n_kills):
    """Kill a training of texts at random lines, as many times after random steps, and compare it with a whole one."""
    whole, attempts = (Attempts(server, folder / name, {"encoder": encoder, "strategy": strategy}) for name in "ab")
    assert whole.run(line=0) == 0, whole.list("error")
    generator, records = np.random.default_rng(0), [record for record in whole.records if "lines" in record]
    for place in sorted(generator.integers(len(records), size=n_kills)):
        lines = records[place]["lines"]
        file = str(generator.choice(sorted(lines)))
        after_step = records[place - 1]["step"] if place else None  # the lines of a record ran before its step
        kill = {"after_step": after_step, "file": file, "line": int(generator.integers(lines[file])) + 1}
        assert attempts.run(**kill) in (KILLED, 0)  # 0 if what is left has fewer lines
    assert attempts.run() == 0
    attempts.check(whole)
    assert attempts.list("killed")


def test_a_killed_training_of_texts_ends_with_the_same_bits(server, tmp_path):
    (tmp_path / "encoder").mkdir()
    write_encoder(tmp_path / "encoder")
    check_killed_training_of_texts(server, tmp_path, f"hf:{tmp_path / 'encoder'}", "last_2_stages", n_kills=2)


@pytest.mark.exhaustive
@pytest.mark.parametrize("strategy", tl.strategies.names())
def test_every_strategy_on_minilm_is_killed_and_ends_with_the_same_bits(server, tmp_path, strategy, fetched):
    fetched("minilm")
    check_killed_training_of_texts(server, tmp_path, "minilm", strategy, n_kills=2)
