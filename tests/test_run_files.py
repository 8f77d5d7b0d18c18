"""What a run stores: all of it or what it changed, each folder whole whatever happens, damage said in one line."""

import dataclasses
import functools
import json
import os
import shutil

import numpy as np
import pytest
import torch
from made_networks import copy_state, make_tiny_backbone, same_bits
from safetensors.torch import load_file

import tlkit as tl
from tlkit.backbones.weights.error import WeightsError
from tlkit.lessons.copies import copy
from tlkit.studies.store import Store
from tlkit.training.changed_weights import list_changed
from tlkit.training.checkpoints import hash_facts
from tlkit.training.lora import insert_lora, merge_lora
from tlkit.training.run_files import hide_folders, write_run

LORA = tl.Strategy(
    [tl.Phase(["adapter", "head"], 1, {"adapter": 5e-3, "head": 1e-2}, norm_statistics="moving")],
    functools.partial(insert_lora, rank=2, scale=0.7),
    merge_lora,
    name="lora",
)
STRATEGIES = {
    "linear_probe": tl.Strategy([tl.Phase(["head"], 1, 1e-2)], name="linear_probe"),
    "last stage": tl.Strategy([tl.Phase([-1, "head"], 1, 1e-2)], name="last stage"),
    "biases": tl.Strategy([tl.Phase(["bias", "head"], 1, 1e-2)], name="biases"),
    "lora": LORA,
}


@pytest.fixture(scope="module")
def images():
    return tl.load_images("styles", domain="clipart").select(classes=["bird", "bug", "tool"]).few(3)


@pytest.fixture(scope="module")
def lite0():
    return tl.load_backbone("efficientnet_lite0", image_size_px=32)


@pytest.fixture(scope="module")
def runs(lite0, images):
    return {
        name: tl.transfer(lite0, images, strategy, batch_size=5, progress=False)
        for name, strategy in STRATEGIES.items()
    }


def find_weights(folder):
    (path,) = folder.glob("weights-*.safetensors")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("only_changes", [False, True])
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_loaded_run_has_the_same_bits(runs, images, tmp_path, name, only_changes):
    run = runs[name]
    run.save(tmp_path, only_changes)
    drawn = torch.get_rng_state()
    loaded = tl.load_run(tmp_path)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert loaded.backbone.fingerprint() == run.backbone.fingerprint()
    assert same_bits(loaded.head.state_dict(), run.head.state_dict())
    if run.tuned:  # else the features of another engine are asked for, which takes long to convert
        assert np.array_equal(loaded.predict(images), run.predict(images))
    assert same_bits(loaded.adapters, run.adapters)
    assert same_bits(loaded.changes(), run.changes())
    for field in dataclasses.fields(run):
        if field.name not in ("backbone", "head", "adapters"):
            assert getattr(loaded, field.name) == json.loads(json.dumps(getattr(run, field.name))), field.name
    assert loaded.backbone.provenance == json.loads(json.dumps(hide_folders(run.backbone.provenance)))
    assert loaded.cost() == run.cost()


@pytest.mark.parametrize("name", STRATEGIES)
def test_only_what_differs_is_written(runs, lite0, tmp_path, name):
    run = runs[name]
    run.save(tmp_path, only_changes=True)
    stored = load_file(find_weights(tmp_path))
    before, after = lite0.state_dict(), run.backbone.state_dict()
    differing = {n for n in before if before[n].numpy().tobytes() != after[n].numpy().tobytes()}
    merged = {n.replace("lora_A", "weight") for n in run.adapters if n.endswith("lora_A")}
    adapters = {f"adapters.{n}" for n in run.adapters}
    head = {"head.weight", "head.bias"}
    assert stored.keys() == {f"backbone.{n}" for n in differing - merged} | adapters | head
    n_bytes = sum(value.numel() * value.element_size() for value in stored.values())
    assert run.cost()["stored_mib"] == n_bytes / 2**20
    assert find_weights(tmp_path).stat().st_size < n_bytes + 150 * (len(stored) + 1)


def test_moved_norm_statistics_are_written_with_the_adapters(runs, lite0, tmp_path):
    runs["lora"].save(tmp_path, only_changes=True)
    stored = load_file(find_weights(tmp_path))
    statistics = [name for name in lite0.state_dict() if name.endswith(("running_mean", "running_var"))]
    assert statistics
    assert not [name for name in statistics if f"backbone.{name}" not in stored]
    assert not [name for name in stored if name.startswith("backbone.") and name.endswith("conv_pw.weight")]


def test_few_parameters_take_little_room(runs):
    cost = {name: run.cost() for name, run in runs.items()}
    head = runs["lora"].head
    assert cost["linear_probe"]["n_trained"] == head.weight.numel() + head.bias.numel()
    n_adapters = sum(value.numel() for value in runs["lora"].adapters.values())
    assert cost["lora"]["n_trained"] == n_adapters + cost["linear_probe"]["n_trained"]
    assert cost["linear_probe"]["stored_mib"] == cost["linear_probe"]["n_trained"] * 4 / 2**20
    assert cost["linear_probe"]["stored_mib"] < cost["biases"]["stored_mib"] < cost["lora"]["stored_mib"] < 1
    whole = cost["lora"]["n_parameters"] * 4 / 2**20
    assert cost["lora"]["stored_mib"] < 0.1 * whole


def test_the_phase_that_trains_most_counts(images, tmp_path):
    backbone = make_tiny_backbone()
    phases = [tl.Phase([-1, "head"], 1, 1e-3), tl.Phase(["head"], 2, 1e-3), tl.Phase(["head"], None)]
    strategy = tl.Strategy(phases)
    kept = {"checkpoint": tmp_path, "checkpoint_every_s": 0, "progress": False}
    tl.transfer(backbone, images, strategy, callbacks=[lambda training: training.phase_index == 1], **kept)
    run = tl.transfer(backbone, images, strategy, **kept)
    last = sum(value.numel() for value in backbone.body["stage1"].parameters())
    assert run.n_trained == last + sum(value.numel() for value in run.head.parameters())
    probe = tl.transfer(backbone, images, "linear_probe", progress=False)
    assert probe.n_trained == sum(value.numel() for value in probe.head.parameters())


def test_the_description_says_what_the_run_was_made_from(runs, images, lite0, tmp_path):
    runs["lora"].save(tmp_path)
    described = json.loads((tmp_path / "run.json").read_text())
    assert described["train_hash"] == images.content_hash
    assert described["strategy"]["prepare"] == {"function": "insert_lora", "rank": 2, "scale": 0.7}
    assert described["strategy"]["batch_size"] == 5
    assert described["seed"] == 0
    assert described["versions"].keys() == {"tlkit", "python", "torch", "torchvision", "numpy", "peft"}
    assert described["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert described["processor"]
    assert described["backbone"]["name"] == "efficientnet_lite0"
    assert described["backbone"]["provenance"]["start"]["sha256"] == lite0.provenance["sha256"]
    assert described["start_hash"] == runs["linear_probe"].start_hash
    runs["linear_probe"].save(tmp_path)
    versions = json.loads((tmp_path / "run.json").read_text())["versions"]
    assert versions.keys() == {"tlkit", "python", "torch", "torchvision", "numpy"}


def test_a_loaded_run_keeps_the_versions_it_was_trained_with(runs, tmp_path):
    runs["linear_probe"].save(tmp_path)
    change_description(tmp_path, lambda described: described.update(versions={"tlkit": "0.0.1"}, processor="another"))
    tl.load_run(tmp_path).save(tmp_path)
    again = json.loads((tmp_path / "run.json").read_text())
    assert again["versions"] == {"tlkit": "0.0.1"}
    assert again["processor"] == "another"


def test_changes_are_told_by_bits(lite0):
    start = copy_state(lite0)
    changed = dict(start)
    mean, variance, weight, *_ = (name for name in start if start[name].ndim == 1)
    changed[mean] = start[mean].clone()
    changed[mean][0] = np.nextafter(float(start[mean][0]), 9.0, dtype=np.float32).item()
    changed[variance] = start[variance].double()
    changed["new"] = start[weight]
    start[weight] = torch.zeros(3)
    changed[weight] = -torch.zeros(3)
    assert set(list_changed(changed, start)) == {mean, variance, weight, "new"}
    assert list_changed(start, start) == []
    nan = {"a": torch.tensor([float("nan")])}
    assert list_changed(nan, {"a": nan["a"].clone()}) == []


@pytest.mark.slow
def test_only_changes_are_refused_where_they_would_not_do(runs, images, lite0, tmp_path):
    random = tl.load_backbone("efficientnet_lite0", weights=None, image_size_px=32)
    run = tl.transfer(random, images, STRATEGIES["linear_probe"], progress=False)
    again = tl.transfer(runs["last stage"].backbone, images, STRATEGIES["linear_probe"], progress=False)
    for started_elsewhere in (run, again):
        with pytest.raises(ValueError, match=r"only_changes: the run started from other weights .*only_changes=False"):
            started_elsewhere.save(tmp_path / "run", only_changes=True)
    touched = tl.transfer(lite0, images, STRATEGIES["linear_probe"], progress=False)
    with torch.no_grad():
        next(touched.backbone.parameters())[0] += 1
    with pytest.raises(
        ValueError, match=r"only_changes: body\.stem.* was changed after the training; save the run whole"
    ):
        touched.save(tmp_path / "run", only_changes=True)
    assert not (tmp_path / "run").exists()
    touched.save(tmp_path / "run")
    assert tl.load_run(tmp_path / "run").backbone.fingerprint() == touched.backbone.fingerprint()


def test_changes_without_their_pretrained_weights_are_not_loaded(runs, tmp_path, monkeypatch):
    runs["biases"].save(tmp_path, only_changes=True)
    monkeypatch.setattr(
        "tlkit.training.changed_weights.load_backbone", functools.partial(tl.load_backbone, weights=None, seed=1)
    )
    with pytest.raises(WeightsError, match=r"folder: .* has only the changes of a training, and the run started from"):
        tl.load_run(tmp_path)

    def not_at_hand(name, weights="pretrained", **settings):
        if weights is None:
            return tl.load_backbone(name, None, **settings)
        raise WeightsError("fetch them from somewhere")

    monkeypatch.setattr("tlkit.training.changed_weights.load_backbone", not_at_hand)
    with pytest.raises(WeightsError, match="can't be loaded: fetch them from somewhere"):
        tl.load_run(tmp_path)
    with pytest.raises(ValueError, match=r"only_changes: .* fetch them from somewhere; save the run whole"):
        runs["biases"].save(tmp_path / "other", only_changes=True)


@pytest.mark.slow
def test_a_folder_is_one_run_whenever_a_save_is_killed(runs, tmp_path, monkeypatch):
    folder, snapshots = tmp_path / "run", []
    first, second = runs["linear_probe"], runs["biases"]
    first.save(folder)
    replace, unlink = os.replace, type(folder).unlink

    def photograph():
        snapshots.append(shutil.copytree(folder, tmp_path / f"snapshot {len(snapshots)}"))

    def watched_replace(*paths):
        photograph()
        replace(*paths)
        photograph()

    def watched_unlink(path, **settings):
        photograph()
        unlink(path, **settings)

    monkeypatch.setattr(os, "replace", watched_replace)
    monkeypatch.setattr(type(folder), "unlink", watched_unlink)
    second.save(folder)
    monkeypatch.undo()
    photograph()
    found = [tl.load_run(snapshot) for snapshot in snapshots]
    expected = {run.strategy["name"]: copy_state(run.head) for run in (first, second)}
    names = [run.strategy["name"] for run in found]
    assert len(names) >= 6
    assert names == sorted(names, reverse=True)
    assert set(names) == set(expected)
    assert all(same_bits(run.head.state_dict(), expected[run.strategy["name"]]) for run in found)
    assert sorted(path.name for path in folder.iterdir()) == [find_weights(folder).name, "run.json"][::-1]


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_the_earlier_run(runs, tmp_path, monkeypatch, failing, error):
    runs["linear_probe"].save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    calls, fsync = [], os.fsync

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == failing:
            raise error
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(type(error)):
        runs["biases"].save(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert tl.load_run(tmp_path).strategy["name"] == "linear_probe"


def test_a_save_replaces_a_folder_with_a_damaged_description(runs, tmp_path):
    runs["linear_probe"].save(tmp_path)
    (tmp_path / "run.json").write_text('{"seed": 0, "hist')
    runs["biases"].save(tmp_path)
    assert tl.load_run(tmp_path).strategy["name"] == "biases"
    find_weights(tmp_path)


def change_description(folder, change):
    """Change a description and its hash with it, as another version of tlkit would have written them."""
    path = folder / "run.json"
    described = json.loads(path.read_text())
    change(described)
    described.pop("sha256")
    path.write_text(json.dumps(described | {"sha256": hash_facts(described)}))


def cut_weights(folder):
    content = find_weights(folder).read_bytes()
    find_weights(folder).write_bytes(content[: len(content) // 2])


def flip_a_bit_of_weights(folder):
    content = bytearray(find_weights(folder).read_bytes())
    content[-100] ^= 1
    find_weights(folder).write_bytes(content)


def cut_description(folder):
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text[: len(text) // 2])


LATER = {"tlkit": "99.1"}


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda folder: find_weights(folder).unlink(), FileNotFoundError, "has no weights-"),
        (lambda folder: (folder / "run.json").unlink(), FileNotFoundError, r"has no run\.json"),
        (cut_weights, ValueError, "is damaged, the bytes of weights-.* are not those that were saved"),
        (flip_a_bit_of_weights, ValueError, "is damaged, the bytes of weights-.* are not those that were saved"),
        (cut_description, ValueError, r"is damaged, run\.json can't be read"),
        (lambda folder: (folder / "run.json").write_bytes(b""), ValueError, r"is damaged, run\.json can't be read"),
        (lambda folder: (folder / "run.json").write_bytes(b"\xff\xfe{"), ValueError, r"run\.json can't be read"),
        (lambda folder: (folder / "run.json").write_text("[1]"), ValueError, r"run\.json describes no run"),
        (
            lambda folder: change_description(folder, lambda described: described.pop("seed")),
            ValueError,
            r"is damaged, run\.json lacks 'seed'",
        ),
        (
            lambda folder: change_description(folder, lambda described: described.update(speed=1)),
            ValueError,
            rf"is damaged, run\.json has an unknown 'speed' \(tlkit {tl.__version__} wrote it",
        ),
        (
            lambda folder: change_description(folder, lambda described: described.update(speed=1, versions=LATER)),
            ValueError,
            rf"has an unknown 'speed' \(tlkit 99\.1 wrote it, and this is {tl.__version__}",
        ),
        (
            lambda folder: change_description(folder, lambda described: described["backbone"].update(name="resnet18")),
            ValueError,
            "its weights are another network's: it has body",
        ),
        (
            lambda folder: change_description(folder, lambda described: described.update(classes=["a", "b"])),
            ValueError,
            r"its weights are another network's: weight is \(\d+, 1280\), expected \(2, 1280\)",
        ),
    ],
)
def test_damage_is_said_in_one_line(runs, tmp_path, damage, error, message):
    runs["linear_probe"].save(tmp_path)
    damage(tmp_path)
    with pytest.raises(error, match=message) as caught:
        tl.load_run(tmp_path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_weights_of_another_run_are_refused(runs, tmp_path):
    runs["linear_probe"].save(tmp_path / "one")
    runs["biases"].save(tmp_path / "other")
    shutil.copy(find_weights(tmp_path / "other"), find_weights(tmp_path / "one"))
    with pytest.raises(ValueError, match="are not those that were saved"):
        tl.load_run(tmp_path / "one")


EDITS = {
    "classes": lambda described: described["classes"].reverse(),
    "a letter": lambda described: described["classes"].__setitem__(0, "birb"),
    "seed": lambda described: described.update(seed=1),
    "type of a seed": lambda described: described.update(seed="0"),
    "looks": lambda described: described.update(looks={}),
    "type of a history": lambda described: described.update(history=0),
    "a truth": lambda described: described.update(tuned=0),
    "recipe": lambda described: described["backbone"]["recipe"].update(interpolation="bilinear"),
    "weights": lambda described: described.update(weights="here"),
    "no hash": lambda described: described.pop("sha256"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_description_is_noticed(runs, images, tmp_path, edit):
    run = dataclasses.replace(runs["linear_probe"], looks={"a": 1})
    run.save(tmp_path)
    path = tmp_path / "run.json"
    described = json.loads(path.read_text())
    EDITS[edit](described)
    path.write_text(json.dumps(described))
    with pytest.raises(ValueError, match=r"is damaged, the facts in run\.json are not those that were saved"):
        tl.load_run(tmp_path)


def test_a_description_laid_out_anew_is_still_the_same(runs, tmp_path):
    runs["linear_probe"].save(tmp_path)
    path = tmp_path / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4, sort_keys=True, ensure_ascii=False))
    assert tl.load_run(tmp_path).strategy["name"] == "linear_probe"


def test_files_of_others_stay(runs, tmp_path):
    own = [tmp_path / name for name in ("weights-best.safetensors", "weights-20261129.safetensors", "notes.txt")]
    for path in own:
        path.write_bytes(b"a week of training")
    for name in ("linear_probe", "biases"):
        runs[name].save(tmp_path)
    assert [path.read_bytes() for path in own] == [b"a week of training"] * 3
    assert len(list(tmp_path.iterdir())) == len(own) + 2


@pytest.mark.parametrize("content", ['{"weights": "imagenet", "project": "pets"}', "[]", "project: pets"])
def test_a_description_of_something_else_is_not_written_over(runs, tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ValueError, match=r"folder: .* has a run\.json that Run\.save did not write"):
        runs["linear_probe"].save(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"run.json": content}


def test_a_description_names_no_folder(runs, lite0, images, tmp_path):
    again = tl.transfer(runs["biases"].backbone, images, STRATEGIES["last stage"], progress=False)
    for run in (runs["biases"], again):
        run.save(tmp_path)
        assert os.path.dirname(lite0.provenance["file"]) not in (tmp_path / "run.json").read_text()
    loaded = tl.load_run(tmp_path)
    file_name = os.path.basename(lite0.provenance["file"])
    assert loaded.backbone.provenance["start"]["start"]["file"] == file_name
    assert again.backbone.provenance["start"]["start"]["file"] == lite0.provenance["file"]


@pytest.mark.slow
def test_a_tuned_backbone_tells_its_start(runs, lite0, images):
    published = lite0.provenance
    assert runs["linear_probe"].backbone.provenance == published
    assert not runs["linear_probe"].tuned
    first = runs["biases"].backbone.provenance
    assert (first["tuned"], first["sha256"], first["file"]) == (True, None, None)
    assert first["source"] == f"{published['source']}, tuned by biases"
    assert first["start"] == published | {"weights_hash": runs["biases"].start_hash}
    probe = tl.transfer(runs["biases"].backbone, images, "linear_probe", progress=False)
    assert probe.tuned and probe.changed == []
    assert probe.backbone.provenance == first
    second = tl.transfer(runs["biases"].backbone, images, STRATEGIES["last stage"], progress=False)
    assert second.backbone.provenance["source"] == f"{published['source']}, tuned by biases, tuned by last stage"
    assert second.backbone.provenance["start"] == first | {"weights_hash": second.start_hash}
    scratch = tl.transfer(lite0, images, one_epoch("from_scratch"), progress=False)
    assert scratch.backbone.provenance["source"] == "random weights, seed 0, tuned by from_scratch"
    assert scratch.backbone.provenance["start"]["weights_hash"] is None


def one_epoch(name):
    strategy = tl.strategies.get(name)
    return dataclasses.replace(strategy, phases=[dataclasses.replace(strategy.phases[0], n_epochs=1)])


@pytest.mark.parametrize("name", ["tiny", "resnet18"])
@pytest.mark.parametrize("only_changes", [False, True])
def test_a_network_that_cannot_be_loaded_is_not_saved(images, tmp_path, name, only_changes):
    backbone = make_tiny_backbone()
    backbone.name = name
    run = tl.transfer(backbone, images, "linear_probe", progress=False)
    with pytest.raises(ValueError, match=f"backbone: '{name}' can't be loaded again by its name .* torch.save"):
        run.save(tmp_path / "run", only_changes)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_own_recipe_is_loaded_again(images, tmp_path):
    backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    backbone.recipe = dataclasses.replace(backbone.recipe, mean=(0.1, 0.2, 0.3), crop_mode="squash")
    run = tl.transfer(backbone, images, "linear_probe", progress=False)
    run.save(tmp_path)
    loaded = tl.load_run(tmp_path)
    assert loaded.backbone.recipe == backbone.recipe
    assert loaded.backbone.fingerprint() == backbone.fingerprint()
    assert np.array_equal(loaded.predict(images), run.predict(images))


def test_settings_of_own_functions_are_saved_as_plain_values(images, lite0, tmp_path):
    def penalise(backbone, start, *, weights, path):
        return 0.0 * sum(value.sum() for value in backbone.parameters())

    penalty = functools.partial(penalise, weights=np.arange(2.0), path=tmp_path / "table.csv")
    run = tl.transfer(lite0, images, tl.Strategy([tl.Phase([-1], 1, 1e-3, penalty=penalty)]), progress=False)
    run.save(tmp_path)
    expected = {"function": "penalise", "weights": [0.0, 1.0], "path": "table.csv"}
    assert tl.load_run(tmp_path).strategy["phases"][0]["penalty"] == expected


def test_folders_may_begin_with_a_tilde(images, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (tmp_path / "work").mkdir()
    (home / "results").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path / "work")
    run = tl.transfer(make_tiny_backbone(), images, "linear_probe", progress=False, checkpoint="~/kept")
    assert list((home / "kept").iterdir())
    write_run("~/run", {"weight": torch.zeros(1)}, {})
    assert (home / "run" / "run.json").exists()
    with pytest.raises(FileNotFoundError, match=f"{home}/gone is no folder"):
        tl.export.load_predictor("~/gone")
    with pytest.raises(ValueError, match=f"{home}/run is damaged"):
        tl.load_run("~/run")
    assert repr(tl.lessons.pool("~/results")) == "No submission yet."
    assert len(tl.lessons.status("~/results")) and Store("~/study.sqlite").path == home / "study.sqlite"
    assert copy("~/lessons")["01"].parent == home / "lessons"
    assert run and not list((tmp_path / "work").iterdir())
