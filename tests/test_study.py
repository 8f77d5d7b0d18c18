"""`Study`: checked before anything runs, only missing runs, verdicts of `compare`, texts and several networks."""

import multiprocessing
import os
import pickle
import re
import sqlite3
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from made_command import call_command
from made_grids import list_runs, make_toy, read_rows, running, wait_until
from made_pictures import write_dark_and_bright
from PIL import Image

import tlkit as tl
from tlkit.cli.options import Command
from tlkit.comparison.workers import check_workers
from tlkit.studies.cell_measurement import CellError
from tlkit.studies.study_file import read_study
from tlkit.studies.study_results import predict_seconds

NETWORK = {"name": "resnet18", "weights": None}
ARMS = ["hand_made", "linear_probe", tl.Strategy([tl.Phase(["head"], 1, 1e-2)], name="trained")]
TIMES = ["duration_s", "peak_memory_mib"]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return tl.load_images(write_dark_and_bright(tmp_path_factory.mktemp("pictures"), 10))


@pytest.fixture
def make(images, tmp_path):
    """Return a function that makes a study of two seeds with other arguments."""

    def make(**changes):
        arguments = {"backbones": {"random": NETWORK}, "images": {"light": images}, "strategies": ARMS, "shots": [1, 2]}
        arguments |= {"seeds": 2, "store": tmp_path / "study.sqlite", "image_size_px": 32}
        return tl.Study(**arguments | changes)

    return make


def test_a_study_gives_what_compare_gives_and_forked_runs_the_same_bits(make, images, tmp_path):
    forked = make(store=tmp_path / "forked.sqlite")  # first: a process that has used OpenVINO can't be forked
    try:
        assert forked.run(2, progress=False)
    except ValueError as error:
        pytest.skip(str(error))
    study = make()
    assert study.run(progress=False)
    expected = tl.compare(tl.load_backbone(**NETWORK, image_size_px=32), images, ARMS, [1, 2], 2, progress=False)
    pd.testing.assert_frame_equal(
        study.table.drop(columns=TIMES)[expected.table.columns.drop(TIMES)], expected.table.drop(columns=TIMES)
    )
    assert study.verdicts == expected.verdicts
    columns = list(expected.predictions.columns)
    pd.testing.assert_frame_equal(study.predictions[columns], expected.predictions, check_dtype=False, check_exact=True)
    pd.testing.assert_frame_equal(study.predictions, forked.predictions, check_exact=True)
    times = [*TIMES, "wall_s"]
    pd.testing.assert_frame_equal(study.runs.drop(columns=times), forked.runs.drop(columns=times), check_exact=True)
    stored = tl.studies.StudyResults(tmp_path / "study.sqlite")
    assert stored.verdicts == study.verdicts and stored.table.equals(study.table)


def test_several_networks_sizes_and_settings_hold_together(make):
    study = make(
        backbones={"a": NETWORK, "b": NETWORK | {"seed": 1}}, strategies=["lp_ft", "fine_tune"], seeds=1, shots=1,
        weight_decay=[0.01, 0.1], image_size_px=[32, 40],
    )  # fmt: skip
    assert study.status().n_cells == 2 * 2 * 2 * 2
    kept = [cell.key for cell in study._grid.cells]
    assert len(set(kept)) == len(kept)
    # 0.01 is the default of transfer, so these are the runs of a study without it.
    plain = make(backbones={"c": NETWORK}, strategies=["lp_ft"], seeds=1, shots=1)
    assert {cell.key for cell in plain._grid.cells} <= set(kept)


def test_settings_may_be_numpys_and_those_of_speed_change_no_run(make):
    def list_keys(**settings):
        cells = make(strategies=["lp_ft", "fine_tune"], seeds=1, shots=1, **settings)._grid.cells
        return {cell.key for cell in cells}

    given = [[0.25, 0.5], np.array([0.25, 0.5]), [np.float32(0.25), np.float64(0.5)]]
    assert len({frozenset(list_keys(weight_decay=levels)) for levels in given}) == 1
    assert list_keys(weight_decay=np.float32(0.25)) == list_keys(weight_decay=0.25)
    assert list_keys(device="cpu", n_loader_workers=0) == list_keys()


def test_a_change_of_groups_or_pictures_makes_other_runs(make, images):
    keys = [
        {cell.key for cell in make(images={"any": changed})._grid.cells}
        for changed in (images, images.with_groups([f"{row // 2}" for row in range(len(images))]), images[1:])
    ]
    assert not keys[0] & keys[1] and not keys[0] & keys[2]
    assert keys[0] == {cell.key for cell in make(images={"renamed": images})._grid.cells}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategies": ["linear_prob"]}, "nearest: 'linear_probe'"),
        ({"weight_decy": 0.1}, "settings of transfer: 'weight_decy' is unknown; nearest: 'weight_decay'"),
        ({"weight_decay": -1.0, "strategies": ["fine_tune"]}, "weight_decay: -1.0, expected a number of at least 0"),
        ({"weight_decay": 0.1}, "weight_decay: 0.1, but 'hand_made' is not trained by transfer"),
        ({"weight_decay": [1, 1.0]}, "weight_decay: .*, expected one or more different values"),
        ({"weight_decay": [0.1, 0.1]}, "weight_decay: .*, expected one or more different values"),
        ({"shots": [1, 9]}, "shots: 9, but with seed 0 no class of 'light' has more than 8 for training"),
        ({"strategies": [tl.Strategy([tl.Phase(["stage9"], 1, 1e-2)])]}, "stage9"),
        ({"baseline": "fine_tun"}, "baseline: 'fine_tun' is unknown"),
        ({"backbones": ["resnet18", "resnet18"]}, r"backbones: \['resnet18', 'resnet18'\], expected one or more, of"),
        ({"backbones": 5}, "backbones: a int, expected a name, an object, a list of them, or a dict"),
        ({"seeds": 0}, "seeds: 0, expected a whole number of at least 1"),
        ({"backbones": {"a": NETWORK, "b": NETWORK}}, "backbones: 'b' is the same as backbones: 'a'"),
        ({"baseline": 5}, "baseline: 5 is a int"),
        ({"images": {"a": (1, 2, 3)}}, "images: a tuple, expected an ImageSet"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_runs(make, changes, message, tmp_path):
    with pytest.raises((ValueError, TypeError), match=message):
        make(**changes)
    assert not (tmp_path / "study.sqlite").exists()


def test_settings_of_equal_value_are_one_and_numbers_of_numpy_are_plain(make):
    def list_keys(**settings):
        return [cell.key for cell in make(strategies=["fine_tune"], **settings)._grid.cells]

    assert list_keys(weight_decay=1) == list_keys(weight_decay=1.0) == list_keys(weight_decay=np.float32(1))
    assert list_keys(batch_size=np.int64(4), seeds=np.arange(2)) == list_keys(batch_size=4)
    assert list_keys(device="cpu") == list_keys() != list_keys(n_loader_workers=1)
    with pytest.raises(ValueError, match=r"weight_decay: \[1, 1\.0\], expected one or more different values"):
        list_keys(weight_decay=[1, 1.0])


def test_a_fixed_test_set_is_checked_and_scored_as_in_compare(make, images, tmp_path):
    for number, (name, light) in enumerate([("bright", 200), ("dark", 40)]):
        for row in range(4):
            pixels = np.random.default_rng([number, row]).integers(light - 40, light + 40, (40, 40, 3))
            (tmp_path / "test" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "test" / name / f"{row}.png")
    test = tl.load_images(tmp_path / "test").with_classes(["dark", "bright"])
    study = make(images={"light": (images, test)}, strategies=ARMS[:2], shots=1)
    study.run(progress=False)
    network = tl.load_backbone(**NETWORK, image_size_px=32)
    expected = tl.compare(network, images, ARMS[:2], 1, 2, test=test, progress=False)
    assert study.table["accuracy"].tolist() == expected.table["accuracy"].tolist()
    assert study.verdicts == expected.verdicts
    with pytest.raises(ValueError, match=r"test: 20 of 20 pictures are also training pictures \(data leakage\)"):
        make(images={"light": (images, images)})


def test_texts_need_a_network_for_texts(make):
    texts = tl.load_texts("emoji", domain="de").few(8)
    with pytest.raises(ValueError, match="images: 'emoji' holds texts, but backbone 'random' takes pictures"):
        make(images={"emoji": texts})


@pytest.mark.slow
def test_a_study_of_texts_runs(make, tmp_path):
    from made_encoders import PETS, WILD, write_encoder

    (tmp_path / "encoder").mkdir()
    write_encoder(tmp_path / "encoder")
    texts = tl.load_texts([(f"{text}{end}", "pet") for end in ("", " big") for text in PETS]
                          + [(f"{text}{end}", "wild") for end in ("", " big") for text in WILD])  # fmt: skip
    network = {"name": f"hf:{tmp_path / 'encoder'}", "n_tokens": 20}
    study = make(backbones={"bert": network}, images={"texts": texts}, shots=1)
    assert study.run(progress=False)
    assert study.status().n_done == study.status().n_cells == 6


def test_only_what_is_missing_runs_later(tmp_path):
    store, log = tmp_path / "study.sqlite", tmp_path / "log"
    assert make_toy(store, 3, log=log).run(progress=False)
    larger = make_toy(store, 4, ("base", "arm", "more"), log=log)
    assert larger.status().n_open == 6
    assert larger.run(progress=False)
    assert len(set(list_runs(log))) == len(list_runs(log)) == 12
    assert larger.verdicts.keys() == {("arm", 1), ("more", 1)}
    assert make_toy(store, 3).status().n_cells == 6  # others in the store are left out


def test_failures_are_stored_and_rerun_on_request(tmp_path):
    store, log = tmp_path / "study.sqlite", tmp_path / "log"
    shown = []
    study = make_toy(store, 3, log=log, failing=[1])
    assert study.run(progress=False, on_run=lambda row, predictions: shown.append((row, predictions)))
    assert [row["seed"] for row, predictions in shown if predictions is None] == [1, 1]
    status = study.status()
    assert (status.n_done, status.n_failed, status.n_open) == (4, 2, 0)
    assert status.failures["reason"].tolist() == ["ValueError: seed 1"] * 2
    assert "failed 2 ×: ValueError: seed 1" in repr(status)
    assert study.run(progress=False) and len(list_runs(log)) == 6
    repaired = make_toy(store, 3, log=log)
    assert repaired.run(progress=False, rerun="failed") and len(list_runs(log)) == 8
    assert repaired.status().n_done == 6
    with pytest.raises(ValueError, match="rerun: 'failled' is unknown; nearest: 'failed'"):
        repaired.run(rerun="failled")


def test_open_runs_of_dropped_arms_are_forgotten_and_finished_ones_stay(tmp_path):
    store = tmp_path / "study.sqlite"
    larger = make_toy(store, 2, ("base", "arm", "more"))
    larger._run(lambda measurement, cells: ((cell, measurement(cell)) for cell in cells[:3]), 1)
    assert tl.studies.StudyResults(store).status().n_open == 3
    make_toy(store, 2).run(progress=False)
    status = tl.studies.StudyResults(store).status()
    assert (status.n_done, status.n_open) == (5, 0)


def test_a_map_needs_a_gain(tmp_path):
    study = make_toy(tmp_path / "study.sqlite", 2, failing=[0, 1])
    study.run(progress=False)
    with pytest.raises(ValueError, match=r"store: .* holds no gain yet"):
        study.draw(None)


def test_the_page_of_the_first_runs_has_accuracies_alone(tmp_path):
    study = make_toy(tmp_path / "study.sqlite", 3)
    study._run(lambda measurement, cells: ((cell, measurement(cell)) for cell in cells if cell.strategy == "base"), 1)
    (page,) = study.export(tmp_path, "page")
    text = page.read_text(encoding="utf-8")
    assert "<h2>Accuracies</h2>" in text and "<h2>Table</h2>" in text and "<h2>Verdicts</h2>" not in text


def test_an_address_is_no_client(tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(TypeError, match=r"client: a str, expected a distributed\.Client"):
        make_toy(tmp_path / "study.sqlite").run(client="tcp://127.0.0.1:8786", progress=False)


def test_after_an_error_nobody_writes(tmp_path):
    def fail(measurement, cells):
        yield cells[0], measurement(cells[0])
        raise RuntimeError("a worker lacks the pictures")

    study = make_toy(tmp_path / "study.sqlite", 2)
    with pytest.raises(RuntimeError, match="a worker lacks"):
        study._run(fail, 1)
    assert study.status().writer is None and study.status().n_done == 1


def test_a_store_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"store: .*study\.sqlite can't be written \(.*\): take another folder"):
        make_toy(tmp_path / "file" / "study.sqlite").run(progress=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="another user is a forked process")
def test_a_finished_store_is_read_where_nothing_can_be_written():
    """SQLite's log would make a file beside the store."""
    with tempfile.TemporaryDirectory() as folder:
        make_toy(f"{folder}/study.sqlite", 2).run(progress=False)
        expected = repr(tl.studies.StudyResults(f"{folder}/study.sqlite").status())
        os.chmod(folder, 0o555)

        def read(sender):
            if not os.getuid():
                os.setuid(65_534)
            sender.send(repr(tl.studies.StudyResults(f"{folder}/study.sqlite").status()))

        receiver, sender = multiprocessing.Pipe(duplex=False)
        with warnings.catch_warnings(action="ignore"):  # this process has threads
            process = multiprocessing.get_context("fork").Process(target=read, args=(sender,))
            process.start()
        sender.close()
        assert receiver.recv() == expected
        process.join()
        os.chmod(folder, 0o755)


def test_rows_of_another_version_are_shown_and_kept_until_asked(tmp_path, monkeypatch):
    store, log = tmp_path / "study.sqlite", tmp_path / "log"
    with monkeypatch.context() as older:
        older.setattr(tl, "__version__", "0.0.1")
        make_toy(store, 2, log=log).run(progress=False)
    study = make_toy(store, 3, log=log, failing=[1])
    study.run(progress=False)
    assert study.status().n_older == 4 and "done by another version" in repr(study.status())
    assert study.runs["version"].tolist() == ["0.0.1"] * 4 + [tl.__version__] * 2
    before = read_rows(store)["arm 1"]
    study.run(progress=False, rerun="older")
    # A result that fails now is kept as it was.
    assert study.status().n_older == 2 and study.status().n_failed == 0 and read_rows(store)["arm 1"] == before
    assert len(list_runs(log)) == 10


def test_a_second_writer_is_refused_in_one_line_and_readers_are_not(tmp_path):
    study = make_toy(tmp_path / "study.sqlite", 200, log=tmp_path / "log", work_s=0.02)
    with running(study, tmp_path / "shown", n_workers=1) as process:
        wait_until(lambda: len(list_runs(tmp_path / "shown")) > 5)
        with pytest.raises(RuntimeError, match=f"is being written by process {process.pid} of machine [^\n]*$"):
            make_toy(tmp_path / "study.sqlite").run(progress=False)
        status = tl.studies.StudyResults(tmp_path / "study.sqlite").status()
        assert 5 < status.n_done < 400 and status.writer["process"] == process.pid
        assert f"running: process {process.pid}" in repr(status)
        assert status.time_left_s == pytest.approx(2 * status.n_open)
    assert study.status().writer is None  # it was killed


def test_an_early_look_is_no_more_certain_than_the_whole(tmp_path):
    study = make_toy(tmp_path / "study.sqlite", 5, ("base", "arm", "more"))
    study._run(lambda measurement, cells: ((cell, measurement(cell)) for cell in cells if cell.strategy != "more"), 1)
    part = study.table.set_index("strategy")
    study.run(progress=False)
    whole = study.table.set_index("strategy")
    assert part.loc["arm", ["gain_low", "gain_high"]].equals(whole.loc["arm", ["gain_low", "gain_high"]])
    assert list(part.index) == ["base", "arm"] and list(whole.index) == ["base", "arm", "more"]


@pytest.mark.parametrize("content", [b"no database", None])
def test_other_files_are_never_overwritten(tmp_path, content):
    store = tmp_path / "study.sqlite"
    if content:
        store.write_bytes(content * 100)
    else:
        with sqlite3.connect(store) as connection:
            connection.execute("CREATE TABLE other (x)")
        connection.close()
    before = store.read_bytes()
    with pytest.raises(
        ValueError, match=r"store: .*study\.sqlite is (no file of a study|a database of another program)"
    ):
        make_toy(store).run(progress=False)
    assert store.read_bytes() == before


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(ValueError, match=r"store: .* is a folder, expected a file: name one, as .*study\.sqlite"):
        make_toy(tmp_path)


def test_a_process_that_lacks_the_pictures_says_so(make, tmp_path):
    write_dark_and_bright(tmp_path / "moved", 10)
    study = make(images={"light": str(tmp_path / "moved")}, seeds=1, shots=1)
    measurement, cell = study._grid.measurement, study._grid.cells[1]
    packed = pickle.dumps((measurement, cell))
    other, _ = pickle.loads(packed)
    assert other is not measurement and pickle.loads(packed)[0] is other  # once per process
    (row, predictions), (expected, same) = other(cell), measurement(cell)
    assert row["accuracy"] == expected["accuracy"] and predictions == same
    elsewhere = pickle.loads(pickle.dumps(make(images={"light": str(tmp_path / "moved")})._grid.measurement))
    picture = tmp_path / "moved" / "dark" / "0.png"
    picture.write_bytes((tmp_path / "moved" / "dark" / "1.png").read_bytes())
    outcome = elsewhere(cell)
    assert isinstance(outcome, CellError)
    assert re.match("images: 'light': on the machine .* it has another content than where the study", str(outcome))
    for path in (tmp_path / "moved" / "dark").iterdir():
        path.unlink()
    outcome = elsewhere(cell)
    assert re.match("images: 'light': can't be loaded on the machine ", str(outcome))


def test_what_has_changed_since_the_study_was_made_gives_no_results(make, tmp_path):
    """Its results would belong to the hashes of what was there before."""
    write_dark_and_bright(tmp_path / "own", 10)
    network = tl.load_backbone(**NETWORK, image_size_px=32)
    study = make(backbones={"own": network}, images={"light": str(tmp_path / "own")}, strategies=ARMS[:2], shots=1)
    with torch.no_grad():
        next(network.parameters()).mul_(2)
    study.run(progress=False)
    assert study.status().n_failed == study.status().n_cells
    assert study.status().failures["reason"].str.contains("backbones: 'own': on the machine .* another content").all()
    again = make(backbones={"own": network}, images={"light": str(tmp_path / "own")}, strategies=ARMS[:2], shots=1)
    picture = tmp_path / "own" / "dark" / "0.png"
    picture.write_bytes((tmp_path / "own" / "dark" / "1.png").read_bytes())
    again.run(progress=False)
    assert again.status().failures["reason"].str.contains("images: 'light': on the machine .* another content").all()
    last = make(backbones={"own": network}, images={"light": str(tmp_path / "own")}, strategies=ARMS[:2], shots=1)
    assert last.run(progress=False) and last.status().n_done == last.status().n_cells


def test_durations_are_predicted_from_the_nearest_kind():
    names = ["strategy", "backbone", "image_size_px", "settings", "images", "shots", "wall_s", "n_steps"]
    done = pd.DataFrame([("a", "n", 32, "{}", "s", 5, 2.0, 10), ("b", "n", 32, "{}", "s", 5, 1.0, 0)], columns=names)
    cells = done.assign(shots=[10, 10], wall_s=None)
    assert predict_seconds(done, cells) == [4.0, 1.0]  # steps grow with the pictures, and a solved head has none
    assert predict_seconds(done, cells.assign(backbone="other", shots=5)) == [2.0, 1.0]
    assert predict_seconds(done[:0], cells) == pytest.approx([float("nan")] * 2, nan_ok=True)


def test_an_estimate_runs_a_few_cells_and_keeps_them(tmp_path):
    study = make_toy(tmp_path / "study.sqlite", 10, ("base", "arm", "more"), log=tmp_path / "log")
    estimate = study.estimate(progress=False)
    assert len(list_runs(tmp_path / "log")) == 3
    assert (estimate["n_cells"], estimate["n_missing"]) == (30, 27)
    assert estimate["worker_hours"] == pytest.approx(27 * 2 / 3600)
    size = (tmp_path / "study.sqlite").stat().st_size
    study.run(progress=False)
    grown = ((tmp_path / "study.sqlite").stat().st_size - size) / 2**20
    assert grown / 3 < estimate["store_mib"] < 3 * grown
    assert len(list_runs(tmp_path / "log")) == 30


def test_trial_runs_leave_the_process_as_it_was(tmp_path):
    """Otherwise, OpenVINO would keep it from being forked by `run(n_workers=2)`."""
    try:
        check_workers(2)
    except ValueError as error:
        pytest.skip(str(error))
    make_toy(tmp_path / "study.sqlite", 2, log=tmp_path / "log").estimate(progress=False)
    processes = {line.split()[0] for line in (tmp_path / "log").read_text().splitlines()}
    assert len(processes) == 1 and str(os.getpid()) not in processes


FILE = """
strategies = ["hand_made", "linear_probe"]
shots = [1, 2]
seeds = 2
image_size_px = 32
backbones.random = {name = "resnet18", weights = "none"}
images.light = {source = "pictures"}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(Command, "running", None)
    write_dark_and_bright(tmp_path / "pictures", 10)
    (tmp_path / "study.toml").write_text(FILE)
    return tmp_path


def test_a_file_is_run_looked_at_and_written_as_a_page(folder, monkeypatch, capsys):
    status, output, _ = call_command(monkeypatch, capsys, "study", "run", folder / "study.toml", "--estimate")
    assert status == 0 and "6 of 8 runs are missing" in output
    status, output, _ = call_command(monkeypatch, capsys, "study", "run", folder / "study.toml")
    assert (status, output) == (0, "8 of 8 runs done, 0 failed, 0 open\n")
    for name in ("study.toml", "study.sqlite"):
        assert call_command(monkeypatch, capsys, "study", "status", folder / name)[1] == output
    status, output, _ = call_command(
        monkeypatch, capsys, "study", "page", folder / "study.sqlite", "--output", folder / "out"
    )
    page = (folder / "out" / "study.html").read_text(encoding="utf-8")
    assert page.count('role="img" aria-label="') == 2
    assert "8 of 8 runs done" in page and page.count("<svg") == 2 and "&quot;linear_probe&quot;" in page
    assert not [part for part in ("<script", "<link", 'src="http', "url(http", "@import") if part in page]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('shots = "few"', "shots: 'few' is a str, expected a whole number of at least 1"),
        ("stratgies = []", "'stratgies' is unknown; nearest: 'strategies'"),
        ("[settings]\nweight_decy = 0.1", "settings of transfer: 'weight_decy' is unknown"),
        ("shots = [", "no TOML file"),
        ("strategies = 5", "strategies: 5"),
        ("store = 5", "store: 5, expected the name of a file"),
        ("settings = 5", "settings of transfer: 5 is a int"),
        ("[settings]\nseeds = 3", "settings of transfer: 'seeds' is unknown"),
        ('images.light = "none/of/mine"', "source: no folder or zip"),
    ],
)
def test_a_wrong_file_names_the_argument(folder, line, message):
    lines = [each for each in FILE.splitlines() if each.split(" ")[0] != line.split(" ")[0]]
    (folder / "study.toml").write_text("\n".join([line, *lines] if "[s" not in line else [*lines, line]))
    with pytest.raises(ValueError, match=r"study\.toml: .*" + message):
        read_study(folder / "study.toml")


def test_the_file_of_the_guide_is_a_study(folder, monkeypatch):
    def load(name, **settings):
        return tl.load_backbone(name, weights=None, image_size_px=32)  # those of resnet18 would be downloaded

    monkeypatch.setattr("tlkit.studies.grid.load_backbone", load)
    text = (Path(__file__).parents[1] / "docs" / "studies.md").read_text(encoding="utf-8")
    source = text.split("```toml\n")[1].split("```")[0].replace("pictures/emoji", "pictures")
    (folder / "study.toml").write_text(source)
    assert read_study(folder / "study.toml").status().n_open == 2 * 2 * 3 * 2 * 5 * 2


@pytest.mark.parametrize("line", ['images = "pictures"', 'images = ["pictures"]'])
def test_a_path_is_relative_to_the_file(folder, line):
    (folder / "study.toml").write_text(FILE.replace('images.light = {source = "pictures"}', line))
    assert {cell.images for cell in read_study(folder / "study.toml")._grid.cells} == {"pictures"}


def test_tables_are_written_whole(tmp_path):
    study = make_toy(tmp_path / "study.sqlite", 2, failing=[1])
    study.run(progress=False)
    names = ["runs", "predictions", "table"]
    assert [path.name for path in study.export(tmp_path / "csv")] == [f"{name}.csv" for name in names]
    assert len(pd.read_csv(tmp_path / "csv" / "predictions.csv")) == 10
    pytest.importorskip("pyarrow")
    study.export(tmp_path / "parquet", "parquet")
    assert pd.read_parquet(tmp_path / "parquet" / "runs.parquet").equals(study.runs)
    (page,) = study.export(tmp_path, "page")
    assert "ValueError: seed 1" in page.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="kind: 'pge' is unknown; nearest: 'page'"):
        study.export(tmp_path, "pge")


class Writer:
    """Stands for TensorBoard's SummaryWriter."""

    def __init__(self):
        self.written = []

    def add_scalar(self, name, value, step):
        self.written.append((name, value, step))


def test_the_callback_of_the_guide_writes_each_run(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "studies.md").read_text(encoding="utf-8")
    code = text.split("<!-- callback -->")[1].split("```python\n")[1].split("```")[0]
    assert len(code.strip().splitlines()) <= 10
    writer, names = Writer(), {}
    exec(code, names)
    make_toy(tmp_path / "study.sqlite", 2, failing=[1]).run(progress=False, on_run=names["log_to"](writer))
    assert [(name, step) for name, _, step in writer.written] == [
        ("net/set/base/1 shots", 0),
        ("net/set/arm/1 shots", 0),
    ]
