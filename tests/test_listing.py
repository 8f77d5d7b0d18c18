"""The table of networks: one row each, what is not known is missing, and what is here is said."""

import pandas as pd
import pytest
from made_weights import pull_the_plug

import tlkit as tl
from tlkit.backbones.networks import CATALOGUE, find_entry, list_entries
from tlkit.backbones.weights.weight_files import weights_folders


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    pull_the_plug(monkeypatch, tmp_path)


def test_each_network_has_a_row_with_what_its_entry_says():
    table = tl.backbones.table()
    assert table["name"].tolist() == list(CATALOGUE)
    for row in table.itertuples():
        entry = find_entry(row.name)
        assert (row.weights, row.family, row.year, row.licence) == (
            *(entry.weights, entry.family, entry.year, entry.licence),
        )
        assert (row.n_parameters, row.n_flops, row.n_features) == (entry.n_parameters, entry.n_flops, entry.n_features)
        assert row.image_size_px == entry.recipe.crop_size_px
        assert (row.pretrained_on, row.kind) == (entry.pretrained_on, entry.kind)
        rated = (None, None) if pd.isna(row.accuracy) else (row.accuracy, row.accuracy_source)
        assert rated == (entry.accuracy, entry.accuracy_source)
        assert row.offline == row.name.startswith("efficientnet_lite")


def test_each_set_of_weights_has_a_row_where_asked_for():
    table = tl.backbones.table("resnet50", all_weights=True)
    assert table["weights"].tolist() == ["IMAGENET1K_V2", "IMAGENET1K_V1"]
    assert len(tl.backbones.table(all_weights=True)) == len(list_entries())


def test_what_is_put_into_the_folder_is_offline():
    weights_folders()[0].mkdir(parents=True)
    (weights_folders()[0] / find_entry("resnet50").weights_file).touch()
    table = tl.backbones.table("resnet50", all_weights=True)
    assert table["offline"].tolist() == [True, False]


def test_networks_of_timm_are_listed_where_asked_for_and_what_is_unknown_is_missing():
    table = tl.backbones.table("timm:resnet10t*")
    assert len(table) >= 1
    assert table["name"].str.startswith("timm:resnet10t").all()
    assert table["accuracy"].isna().all()
    assert not table["offline"].any()


def test_text_encoders_are_listed_where_asked_for():
    table = tl.backbones.table(texts=True)
    assert table["name"].tolist() == ["minilm", "use_multilingual"]
    assert tl.backbones.table("use*", texts=True)["name"].tolist() == ["use_multilingual"]
    assert table["n_features"].tolist() == [384, 512]
    assert table["image_size_px"].isna().all()
    assert not table["offline"].any()
    assert not set(tl.backbones.table()["name"]) & set(table["name"])


def test_the_columns_keep_their_types_without_rows():
    none, some = tl.backbones.table("no such network"), tl.backbones.table("resnet*")
    assert list(none.columns) == list(some.columns)
    for column in ("year", "n_parameters", "n_flops", "n_features", "image_size_px", "accuracy", "offline"):
        assert pd.api.types.is_numeric_dtype(some[column])
        assert none[column].dtype == some[column].dtype


def test_a_name_that_the_package_lacks_is_said():
    with pytest.raises(AttributeError, match=r"tlkit\.backbones has no 'tables'"):
        tl.backbones.tables  # noqa: B018
