"""Text encoders as backbones: equal to transformers, trained by every strategy, saved, and refused in one line."""

import hashlib
import json
import math
import shutil
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from made_encoders import PETS, WILD, mean_hidden_states, write_encoder
from matplotlib.figure import Figure
from tokenizers import Tokenizer
from torch import nn

import tlkit as tl
from tlkit.backbones.networks import find_entry
from tlkit.backbones.weights.error import WeightsError
from tlkit.backbones.weights.hashes import list_published
from tlkit.training.batches import order_pictures
from tlkit.training.optimizer import schedule

LONG = " ".join(PETS + WILD)  # more than 40 tokens


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder")
    write_encoder(folder)
    return folder


@pytest.fixture(scope="module")
def backbone(folder):
    return tl.load_backbone(f"hf:{folder}", n_tokens=40)


@pytest.fixture(scope="module")
def texts():
    rows = [(f"{text}{end}", label) for end in ("", " big", " small red") for text in PETS for label in ["pet"]]
    return tl.load_texts(rows + [(f"{text}{end}", "wild") for end in ("", " big", " small red") for text in WILD])


def read_all(texts):
    return [texts.read(index) for index in range(len(texts))]


KINDS = ["roberta", "xlm-roberta", "distilbert", "mpnet", "electra"]


@pytest.mark.parametrize("kind", ["bert", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS)])
@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_features_are_the_means_of_the_library(tmp_path, kind, engine):
    pad = 1 if "roberta" in kind else 0
    network = write_encoder(tmp_path, kind, pad=pad)
    if whole := kind in ("mpnet", "electra"):
        if engine == "openvino":
            pytest.skip("one engine suffices for networks of one stage")
        with pytest.warns(UserWarning, match="can't be called one by one, so it is one stage, 'network'"):
            backbone = tl.load_backbone(f"hf:{tmp_path}", n_tokens=38)
    else:
        backbone = tl.load_backbone(f"hf:{tmp_path}", n_tokens=38)
    assert backbone.stages == (("network",) if whole else ("embeddings", "layers1", "layers2"))
    given = [*PETS, LONG, *WILD, "red"]
    features = tl.extract_features(backbone, given, engine=engine, cache=False, progress=False)
    expected = mean_hidden_states(network, Tokenizer.from_file(str(tmp_path / "tokenizer.json")), given, 38)
    assert np.abs(features.values - expected).max() <= 1e-5
    if not whole:
        last = tl.extract_features(backbone, given, engine=engine, stage=-1, cache=False, progress=False).values
        assert np.abs(last - expected).max() <= 1e-5


def test_features_of_a_text_depend_on_no_other_text(backbone, texts):
    together = tl.extract_features(backbone, texts, engine="torch", cache=False, progress=False).values
    for index in (0, 5, 23):
        alone = tl.extract_features(backbone, texts[[index]], engine="torch", cache=False, progress=False).values
        assert (alone[0] == together[index]).all()


def test_features_are_kept_by_the_text(backbone, texts):
    first = tl.extract_features(backbone, texts[:8], engine="torch", progress=False)
    computed = []
    again = tl.extract_features(backbone, texts[4:12], engine="torch", progress=False, report=computed.append)
    assert sum(computed) == 4
    assert (again.values[:4] == first.values[4:]).all()


@pytest.mark.slow
def test_every_strategy_trains_and_is_loaded_again(backbone, texts, tmp_path):
    before = backbone.fingerprint()
    for name in tl.strategies.names():
        run = tl.transfer(backbone, texts.few(3), name, progress=False)
        assert math.isfinite(run.history[-1]["loss"] if run.history else 0)
        run.save(tmp_path / name)
        loaded = tl.load_run(tmp_path / name)  # without the encoder's folder
        assert (loaded.predict(texts) == run.predict(texts)).all(), name
        assert loaded.backbone.fingerprint() == run.backbone.fingerprint()
        assert "swims" not in (tmp_path / name / "run.json").read_text()  # the vocabulary lies beside it
    assert backbone.fingerprint() == before


@pytest.mark.exhaustive
@pytest.mark.parametrize("strategy", tl.strategies.names())
def test_every_strategy_trains_minilm_and_its_run_is_loaded_again(strategy, fetched, tmp_path):
    fetched("minilm")
    emoji = tl.load_texts("emoji", domain="en").select(classes=["food", "travel"])
    few, others = emoji.few(4), emoji.few(12)
    run = tl.transfer(tl.load_backbone("minilm", n_tokens=16), few, strategy, progress=False)
    run.save(tmp_path / "run")
    loaded = tl.load_run(tmp_path / "run")
    predicted = run.predict(others)
    assert (loaded.predict(others) == predicted).all()
    assert np.isfinite(predicted).all() and np.ptp(predicted) > 0
    if strategy != "from_scratch":  # which learns nothing from eight texts
        assert (predicted.argmax(1) == others.labels).mean() > 0.6


def test_another_process_computes_the_same_fingerprint(backbone, monkeypatch):
    # Sets of names have another order in each process, since Python draws the hashes of str anew.
    embeddings = backbone.body["embeddings"].embeddings
    names = sorted(embeddings._non_persistent_buffers_set)
    assert len(names) > 1
    found = set()
    for order in (names, names[::-1]):
        monkeypatch.setattr(embeddings, "_non_persistent_buffers_set", dict.fromkeys(order))
        found.add(backbone.fingerprint())
    assert len(found) == 1


def test_only_changes_are_saved(backbone, texts, tmp_path):
    run = tl.transfer(backbone, texts.few(3), "bitfit", progress=False)
    run.save(tmp_path / "whole")
    run.save(tmp_path / "changes", only_changes=True)
    sizes = [sum(path.stat().st_size for path in (tmp_path / name).iterdir()) for name in ("whole", "changes")]
    assert sizes[1] < sizes[0] / 3
    assert (tl.load_run(tmp_path / "changes").predict(texts) == run.predict(texts)).all()


def test_steps_equal_a_plain_loop(tmp_path, texts):
    network = write_encoder(tmp_path, dropout=0.0)
    backbone = tl.load_backbone(f"hf:{tmp_path}", n_tokens=40)
    few = texts.few(4)
    strategy = tl.Strategy([tl.Phase(["all", "head"], 3, 1e-3)])
    run = tl.transfer(backbone, few, strategy, batch_size=4, progress=False, seed=3)

    heads = [nn.Linear(32, 2) for _ in range(2)]
    with torch.no_grad():  # the head's start: what no step and no rate leave
        start = tl.transfer(backbone, few, tl.Strategy([tl.Phase(["head"], 1, 1e-30)]), seed=3, progress=False).head
        heads[0].weight.copy_(start.weight)
        heads[0].bias.copy_(start.bias)
    head, tokenizer = heads[0], Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    tokenizer.enable_padding(pad_id=0)
    optimizer = torch.optim.AdamW([*network.parameters(), *head.parameters()], lr=1e-3, weight_decay=0.01)
    step, read = 0, read_all(few)
    for epoch in range(3):
        for rows in np.array_split(order_pictures(few.labels, epoch, 3, None), 2):
            encoded = tokenizer.encode_batch([read[row] for row in rows])
            ids, mask = (torch.tensor([getattr(e, part) for e in encoded]) for part in ("ids", "attention_mask"))
            hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state
            features = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            loss = nn.functional.cross_entropy(head(features), torch.from_numpy(few.labels[rows]))
            optimizer.param_groups[0]["lr"] = 1e-3 * schedule(step, 6)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
    tuned = tl.extract_features(run.backbone, few, engine="torch", cache=False, progress=False).values
    expected = mean_hidden_states(network, Tokenizer.from_file(str(tmp_path / "tokenizer.json")), read)
    start_values = tl.extract_features(backbone, few, engine="torch", cache=False, progress=False).values
    assert np.abs(tuned - start_values).max() > 0.01
    assert np.abs(tuned - expected).max() < 1e-4
    assert (run.head.weight - head.weight).abs().max() < 1e-5


@pytest.mark.parametrize("strategy", ["fine_tune", "last_2_stages"])
def test_a_killed_run_resumes_with_the_same_bits(backbone, texts, tmp_path, strategy):
    settings = {"progress": False, "batch_size": 4, "checkpoint_every_s": 0}
    whole = tl.transfer(backbone, texts.few(4), strategy, checkpoint=tmp_path / "whole", **settings)
    torch.rand(3)  # dropout must not draw from the generator of the process
    stopped = tl.transfer(
        backbone,
        texts.few(4),
        strategy,
        checkpoint=tmp_path / "killed",
        callbacks=[lambda training: training.step == 5],
        **settings,
    )
    assert not stopped.completed
    resumed = tl.transfer(backbone, texts.few(4), strategy, checkpoint=tmp_path / "killed", **settings)
    assert resumed.completed
    for name, value in whole.backbone.state_dict().items():
        assert torch.equal(resumed.backbone.state_dict()[name], value), name
    assert torch.equal(resumed.head.weight, whole.head.weight)


def test_encoders_are_scored_as_candidates(folder, backbone, texts):
    inner = tl.selection.Candidate(backbone, stage="layers1")
    named = tl.selection.Candidate(f"hf:{folder}", name="as named")
    with pytest.warns(tl.selection.SelectionWarning, match="24 texts and up to 32 features"):
        table = tl.selection.rank([backbone, inner, named], texts, progress=False).set_index("name")
    features = tl.extract_features(backbone, texts, stage="layers1", engine="torch", cache=False, progress=False)
    with warnings.catch_warnings(action="ignore"):
        expected = tl.selection.score_h(features.values, texts.labels)
    assert table.loc[f"{backbone.name} until layers1", "h"] == expected
    assert (
        table.loc["as named", ["logme", "h", "knn"]].tolist()
        == table.loc[backbone.name, ["logme", "h", "knn"]].tolist()
    )
    assert table["constructed"].tolist().count(True) == 1 and np.isfinite(table["logme"]).all()
    with pytest.raises(ValueError, match=r"image_size_px: .* takes texts"):
        tl.selection.Candidate(backbone, image_size_px=32).build()


@pytest.mark.slow
def test_a_converted_encoder_runs_by_name_without_torch(fetched):
    fetched("minilm")
    given = [*PETS, LONG]
    first = tl.extract_features("minilm", given, engine="openvino", progress=False).values
    code = (
        "import sys, tlkit as tl; settings = {'engine': 'openvino', 'cache': False, 'progress': False};"
        "print(tl.extract_features('minilm', sys.stdin.read().splitlines(), **settings).values.tolist());"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input="\n".join(given), capture_output=True, text=True, check=True
    )
    values, has_torch = done.stdout.splitlines()
    assert has_torch == "False"
    assert (np.array(json.loads(values), np.float32) == first).all()


def test_steps_of_each_stage_are_measured_on_tokens(backbone):
    batch = torch.from_numpy(np.stack([backbone.preprocess(text) for text in PETS]))
    costs = tl.backbones.measure_freezing(backbone, batch, 2, n_rounds=1, progress=False)
    trained = costs.summarise(["embeddings"]).n_trainable
    assert trained == sum(value.numel() for value in backbone.after("embeddings").parameters()) + 32 * 2 + 2
    with pytest.raises(ValueError, match=r"expected \(n, n_tokens, 2\)"):
        tl.backbones.measure_freezing(backbone, torch.zeros(2, 3, 32, 32), 2)


def test_minilm_is_scored_by_its_name(fetched):
    fetched("minilm")
    few = tl.load_texts("emoji", domain="en").select(classes=["food", "travel"]).few(8)
    table = tl.selection.rank(["minilm"], few, scores=["knn", "leep"], progress=False)
    assert table.knn[0] > 0.6 and np.isnan(table.leep[0]) and not table.constructed[0]


def test_a_run_predicts_sentences(backbone, texts):
    run = tl.transfer(backbone, texts, "linear_probe", progress=False)
    given = ["the cat sat", "a fish swims in the sea"]
    assert run.predict(given).shape == (2, 2)
    assert (run.predict(given[0])[0] == run.predict(given)[0]).all()
    assert run.classify(given).columns.tolist() == ["file_name", "class", "probability", "rejected"]
    assert run.cost()["n_flops"] > 0


def test_comparisons_take_texts_and_the_name_of_an_encoder(folder, texts):
    arms = ["linear_probe", tl.Probe("ridge", stage="layers1")]
    curve = tl.learning_curve(f"hf:{folder}", texts, arms, shots=[1, 3], seeds=2, progress=False)
    assert curve.table.accuracy.between(0, 1).all()
    strategies = ["linear_probe", "surgical_last", "hand_made"]
    comparison = tl.compare(f"hf:{folder}", texts, strategies, shots=[2], seeds=2, progress=False)
    assert len(comparison.table) == 3


def test_texts_and_pictures_are_not_confused(backbone, texts):
    pictures, network = tl.load_images("styles", domain="photo").few(1), tl.load_backbone("resnet18", None, 32)
    with pytest.raises(TypeError, match="texts, but the network takes pictures"):
        tl.transfer(network, texts, progress=False)
    for strategy in ("linear_probe", "fine_tune"):
        with pytest.raises(TypeError, match="pictures, but the network takes texts"):
            tl.transfer(backbone, pictures, strategy, progress=False)
    run = tl.transfer(backbone, texts.few(2), progress=False)
    with pytest.raises(ValueError, match="takes texts, but this is only for networks that take pictures"):
        run.export("nowhere")
    with pytest.raises(ValueError, match="takes texts, but this is only for networks that take pictures"):
        tl.inspection.integrated_gradients(run, texts[:2])
    with pytest.raises(ValueError, match="takes texts, but this is only for networks that take pictures"):
        tl.inspection.grad_cam(run, texts[:2])
    with pytest.raises(TypeError, match="images: a TextSet, expected pictures, whose pixels are needed here"):
        tl.plots.draw_augmentations(backbone, texts, ["word_dropout"], Figure().subplots())
    with pytest.raises(ValueError, match="pooled: False, but layers2 of"):
        tl.extract_features(backbone, texts, pooled=False, progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size_px": 32}, "image_size_px: given, but .* takes texts, whose length is n_tokens"),
        ({"n_channels": 1}, "n_channels: given"),
        ({"n_tokens": 41}, "n_tokens: 41, expected a whole number from 3 to 40"),
        ({"weights": "own.pth"}, "weights: 'own.pth', expected 'pretrained' or None"),
    ],
)
def test_what_an_encoder_cannot_take_is_refused(folder, options, message):
    with pytest.raises(ValueError, match=message):
        tl.load_backbone(f"hf:{folder}", **options)


def test_pictures_have_no_tokens():
    with pytest.raises(ValueError, match="n_tokens: 32, but 'resnet18' takes pictures"):
        tl.load_backbone("resnet18", n_tokens=32)


def test_no_code_and_no_pickle_of_a_folder_runs(folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "trap.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\nclass OwnConfig: pass\n")
    described = json.loads((other / "config.json").read_text())
    traps = {"AutoConfig": "trap.OwnConfig", "AutoModel": "trap.Own"}
    (other / "config.json").write_text(json.dumps(described | {"auto_map": traps, "model_type": "own"}))
    with pytest.raises(WeightsError, match="code in the folder is never run"):
        tl.load_backbone(f"hf:{other}")
    (other / "config.json").write_text(json.dumps(described))
    (other / "model.safetensors").unlink()
    torch.save({}, other / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="weights as safetensors"):
        tl.load_backbone(f"hf:{other}")
    assert not (tmp_path / "ran").exists()


def test_missing_weights_are_no_random_ones(folder, tmp_path):
    from safetensors.torch import load_file, save_file

    other = shutil.copytree(folder, tmp_path / "other")
    tensors = load_file(other / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, other / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lack 'encoder\.layer\.1\.output\.dense\.weight'"):
        tl.load_backbone(f"hf:{other}")
    with pytest.raises(WeightsError, match="there is no folder"):
        tl.load_backbone(f"hf:{tmp_path / 'none'}")
    with pytest.raises(WeightsError, match="the hub doesn't give it"):
        tl.load_backbone("hf:some/encoder")


def test_the_hash_of_the_weights_is_recorded(folder, backbone, tmp_path, fetched):
    data = (folder / "model.safetensors").read_bytes()
    assert backbone.provenance["sha256"] == hashlib.sha256(data).hexdigest()
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "model.safetensors").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert tl.load_backbone(f"hf:{other}").provenance["sha256"] != backbone.provenance["sha256"]
    fetched("minilm")
    assert tl.load_backbone("minilm").provenance["sha256"] == list_published()["minilm/model.safetensors"]


def test_the_catalogue_knows_encoders_before_their_files_are_here(monkeypatch, tmp_path):
    monkeypatch.setenv("TLKIT_CACHE_DIR", str(tmp_path))
    entry = find_entry("minilm")
    assert (entry.licence, entry.weights_size_mb, entry.n_features) == ("Apache-2.0", 91, 384)
    with pytest.raises(WeightsError, match="tlkit backbones fetch minilm"):
        tl.extract_features("minilm", ["a text"], progress=False)
