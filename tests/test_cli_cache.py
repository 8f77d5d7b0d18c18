"""The command `tlkit cache`: what it shows is there, what it calls damaged is, and nothing goes unasked."""

import dataclasses
import functools
import hashlib
import io
import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from made_command import call_command
from made_rows import DIGESTS, ROWS

from tlkit.backbones.networks import find_entry
from tlkit.backbones.weights.hashes import record_published
from tlkit.features.cache.feature_cache import FeatureCache
from tlkit.features.cache.inventory import KEY_NAME, list_kept

DAY_S = 24 * 60 * 60
KEY = {
    "backbone": "resnet18",
    "image_size_px": "224",
    "engine": "openvino 2026.4 f32",
    "precision": "exact",
    "fingerprint": "ab" * 32,
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # nobody who answers
    return tmp_path / "cache"


@pytest.fixture
def cache(monkeypatch, capsys):
    """Call `tlkit cache` with arguments; returns (exit status, output, errors)."""
    return functools.partial(call_command, monkeypatch, capsys, "cache")


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def filled(folder):
    """A cache with something of each kind, with the paths by name."""
    FeatureCache(KEY).store(DIGESTS[:5], ROWS[:5])
    FeatureCache(KEY).store(DIGESTS[5:12], ROWS[5:12])
    FeatureCache(KEY | {"stage": "stage2", "pooled": "False"}).store(DIGESTS[:3], ROWS[:3, :24].reshape(3, 6, 2, 2))
    (maps,) = (one.paths[0] for one in list_kept() if one.paths[0].stat().st_size < 500)
    pooled = [one.paths[0] for one in list_kept() if one.paths[0] != maps]
    xml = write(folder / "converted" / f"{'ab' * 16}-openvino-1-stages.xml", b"<net/>")
    binary = write(xml.with_suffix(".bin"), bytes(2_000_000))
    both = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in (xml, binary))
    write(xml.with_suffix(".sha256"), hashlib.sha256(both).hexdigest().encode())
    record = {"name": "resnet18", "fingerprint": "ab" * 32, "recipe": {"crop_size_px": 224}}
    write(folder / "converted" / "0.json", json.dumps(record).encode())
    content = b"weights" * 1000
    weights = write(folder / "weights" / "own.pth", content)
    entry = dataclasses.replace(find_entry("resnet18"), weights_file="own.pth")
    record_published(entry, hashlib.sha256(content).hexdigest())  # as if it had been loaded
    write(weights.with_name(f"{weights.name}.lock"), b"")
    return {"maps": maps, "pooled": pooled, "xml": xml, "bin": binary, "weights": weights}


def list_paths():
    return {path for one in list_kept() for path in one.paths}


def test_it_shows_what_is_kept_how_much_and_when_it_was_used(cache, filled, folder, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE_LIMIT_GB", "1.5")
    for path in list_paths():
        os.utime(path, (time.mktime((2024, 5, 6, 7, 8, 0, 0, 0, -1)),) * 2)
    os.utime(filled["pooled"][0], (time.mktime((2024, 6, 7, 8, 9, 0, 0, 0, -1)),) * 2)
    status, output, errors = cache()
    assert (status, errors) == (0, "")
    rows = [" ".join(line.split()) for line in output.splitlines()]
    assert "features resnet18 at 224 px, openvino 2026.4 f32, exact 12 0.0 2024-06-07 08:09" in rows
    assert "features resnet18 at 224 px, maps of stage2, openvino 2026.4 f32, exact 3 0.0 2024-05-06 07:08" in rows
    assert "converted resnet18 at 224 px 2.0 2024-05-06 07:08" in rows
    assert f"weights {filled['weights'].name} 0.0 2024-05-06 07:08" in rows
    assert "2.0 MB kept" in output and str(folder) in output
    assert "0.00 GB of at most 1.5 GB" in output


def test_what_nobody_can_name_any_more_is_shown_too(cache, filled, folder):
    (filled["maps"].parent / KEY_NAME).unlink()
    (filled["pooled"][0].parent / KEY_NAME).write_text("[]")
    (folder / "converted" / "0.json").write_text('{"fingerprint": 3}')
    write(folder / "features" / "of-an-older-release" / "some.npz", b"old")
    status, output, _ = cache()
    rows = [" ".join(line.split()) for line in output.splitlines()]
    assert status == 0
    assert any(row.startswith("features an unknown network 15 ") for row in rows)
    write(folder / "converted" / ("cd" * 32 + "-a-b-1.xml"), b"x" * 100_000)
    rows = [" ".join(line.split()) for line in cache()[1].splitlines()]
    assert [row[:40] for row in rows if row.startswith("converted")] == ["converted an unknown or tuned network 2."]


@pytest.mark.parametrize("name", ["x[/b]", "[red]", "\x1b[2J", ["a list"], None, {"a": 1}])
def test_odd_names_are_shown_as_they_are(name, cache, filled, folder):
    (filled["maps"].parent / KEY_NAME).write_text(json.dumps(dict.fromkeys(KEY, name) | {"stage": name}))
    (folder / "converted" / "0.json").write_text(json.dumps({"name": name, "fingerprint": "ab" * 32, "recipe": name}))
    status, output, errors = cache()
    assert (status, errors) == (0, "")
    assert "\x1b" not in output
    assert name is None or name != "x[/b]" or name in output
    assert cache("check")[0] == 0


def test_an_empty_cache_is_shown_and_checked_and_cleared(cache, folder):
    assert "0.0 MB kept" in cache()[1]
    assert cache("check")[:2] == (0, "0 files of features, converted networks and weights read, 0 damaged\n")
    assert cache("clear")[:2] == (0, f"nothing to remove: no such features or converted in {folder}\n")


def test_a_nonsensical_limit_is_one_line(cache, monkeypatch):
    monkeypatch.setenv("TLKIT_CACHE_LIMIT_GB", "much")
    status, output, errors = cache()
    assert (status, output) == (1, "")
    assert errors.startswith("tlkit: TLKIT_CACHE_LIMIT_GB: 'much', expected a number of gigabytes above 0")


def test_check_finds_nothing_where_all_is_well_and_changes_nothing(cache, filled):
    before = {path: path.stat().st_mtime_ns for path in list_paths()}
    assert cache("check")[:2] == (0, "5 files of features, converted networks and weights read, 0 damaged\n")
    assert cache("check", "--remove")[0] == 0
    assert {path: path.stat().st_mtime_ns for path in list_paths()} == before


@pytest.mark.parametrize("name", ["plants-20261129.pth", "resnet18-20261129.pth", "run-deadbeef.safetensors"])
def test_files_of_the_users_among_the_weights_are_never_called_damaged(cache, folder, name):
    own = write(folder / "weights" / name, b"a summer of training")
    assert cache("check", "--remove")[:2] == (
        0,
        "1 file of features, converted networks and weights read, 0 damaged\n",
    )
    assert own.exists()


@pytest.mark.parametrize("what", ["maps", "xml", "bin", "weights"])
def test_check_names_what_is_damaged_and_removes_it_only_when_asked(cache, filled, what):
    path, before = filled[what], list_paths()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    shown = path.stem if what in ("xml", "bin") else path.name
    for _ in range(2):
        status, output, _ = cache("check")
        assert status == 1
        assert output.startswith("DAMAGED ") and shown in output
        assert output.endswith("read, 1 damaged\nto remove damaged files: tlkit cache check --remove\n")
        assert list_paths() == before
    status, output, _ = cache("check", "--remove")
    assert status == 0
    assert output.startswith("removed ") and shown in output
    gone = before - list_paths()
    assert gone == {one for one in before if one.stem == path.stem}
    assert cache("check")[0] == 0


def test_a_network_without_its_hash_is_damaged(cache, filled):
    filled["xml"].with_suffix(".sha256").unlink()
    assert cache("check")[0] == 1
    assert cache("check", "--remove")[0] == 0
    assert not filled["bin"].exists()


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ([], {"weights"}),
        (["--features"], {"xml", "bin", "weights"}),
        (["--converted"], {"pooled", "maps", "weights"}),
        (["--weights"], {"pooled", "maps", "xml", "bin"}),
        (["--features", "--converted", "--weights"], set()),
    ],
)
def test_clear_removes_what_is_named_and_never_weights_unnamed(cache, filled, folder, options, left):
    status, output, errors = cache("clear", "--yes", *options)
    assert (status, errors) == (0, "")
    assert output.startswith("removed ")
    paths = {name: path[0] if name == "pooled" else path for name, path in filled.items()}
    assert {name for name, path in paths.items() if path.exists()} == left
    assert len(list((folder / "features").iterdir())) == (2 if "maps" in left else 0)
    assert cache("check")[0] == 0


def test_nothing_goes_before_the_question_is_answered(cache, filled, monkeypatch):
    before = list_paths()
    for answer in ("", "n\n"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        status, output, _ = cache("clear", "--features", "--converted")
        assert status == 1
        assert "Remove 0.0 MB of features, 2.0 MB of converted from" in output
        assert list_paths() == before
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    assert cache("clear")[0] == 0
    assert list_paths() == {filled["weights"]}


def test_clear_can_spare_what_was_used_lately(cache, filled):
    for path in (filled["maps"], filled["weights"]):
        os.utime(path, (time.time() - 8 * DAY_S,) * 2)
    assert "nothing to remove" in cache("clear", "--yes", "--older-than-days", 9)[1]
    assert cache("clear", "--yes", "--older-than-days", 7)[0] == 0
    assert not filled["maps"].exists()
    assert filled["weights"].exists() and filled["xml"].exists() and filled["pooled"][0].exists()
    before = list_paths()
    status, _, errors = cache("clear", "--yes", "--older-than-days", -1)
    assert status == 2
    assert "--older-than-days" in errors
    assert list_paths() == before


def test_what_can_not_be_removed_is_said(cache, filled, monkeypatch):
    monkeypatch.setattr("tlkit.features.cache.inventory.remove", lambda kept: False)
    status, output, errors = cache("clear", "--yes")
    assert status == 1
    assert output == "removed 0.0 MB\n"
    assert errors == "tlkit: 4 files couldn't be removed; close programs that use them\n"


def test_features_are_computed_again_after_clearing(cache, filled):
    cache("clear", "--yes")
    kept, values = FeatureCache(KEY), np.empty_like(ROWS[:12])
    assert kept.load(DIGESTS[:12], values) == list(range(12))
    kept.store(DIGESTS[:12], ROWS[:12])
    assert kept.load(DIGESTS[:12], values) == []
    assert np.array_equal(values, ROWS[:12])


def test_showing_loads_nothing_heavy(filled):
    code = (
        "import sys; sys.argv = ['tlkit', 'cache']\n"
        "from tlkit.cli import main\n"
        "try: main()\nexcept SystemExit as ended: assert not ended.code\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'matplotlib', 'openvino'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "resnet18 at 224 px" in done.stdout
