"""The table of networks: its words, its order, its filter, and its view without a browser."""

import re

import pandas as pd
import pytest
import traitlets

import tlkit as tl
from tlkit.summaries.backbone_table import arrange, format_cells
from tlkit.widgets import BackboneTable


@pytest.fixture
def networks():
    return pd.DataFrame(
        {
            "name": ["vgg11", "resnet18", "ResNet50", "lite0 <b>"],
            "year": pd.array([2014, 2015, 2015, None], "Int64"),
            "n_parameters": pd.array([128_767_000, 11_176_512, 23_508_032, 3_371_000], "Int64"),
            "accuracy": pd.array([0.6902, 0.69758, None, 0.748], "Float64"),
            "licence": ["unknown", "unknown", "BSD-3-Clause", "Apache-2.0"],
            "offline": [False, True, False, True],
        }
    )


@pytest.fixture
def view(networks):
    return BackboneTable(networks)


def test_cells_are_said_with_sensible_digits_and_missing_ones_are_empty(networks):
    assert format_cells(networks)[0] == ["vgg11", "2014", "128.8", "0.690", "unknown", "no"]
    assert format_cells(networks)[3] == ["lite0 <b>", "", "3.4", "0.748", "Apache-2.0", "yes"]


def test_rows_are_sorted_and_those_without_a_value_come_last_either_way(networks):
    assert arrange(networks, sort_by="accuracy").tolist() == [0, 1, 3, 2]
    assert arrange(networks, sort_by="accuracy", descending=True).tolist() == [3, 1, 0, 2]
    assert arrange(networks, sort_by="name").tolist() == [3, 1, 2, 0]  # in upper or lower case
    assert arrange(networks, sort_by="offline", descending=True).tolist() == [1, 3, 0, 2]


def test_rows_of_equal_value_keep_their_order(networks):
    assert arrange(networks, sort_by="licence").tolist() == [3, 2, 0, 1]
    assert arrange(networks, sort_by="year", descending=True).tolist() == [1, 2, 0, 3]


def test_all_words_have_to_occur_in_a_row(networks):
    assert arrange(networks, words="RESNET").tolist() == [1, 2]
    assert arrange(networks, words="resnet bsd").tolist() == [2]
    assert arrange(networks, words="resnet vgg").tolist() == []
    assert arrange(networks, words="  ").tolist() == [0, 1, 2, 3]
    assert arrange(networks, sort_by="name", descending=True, words="unknown").tolist() == [0, 1]


def test_an_address_is_not_searched(networks):
    networks["accuracy_source"] = "https://example.org/classification#alexnet-and-vgg"
    assert arrange(networks, words="vgg").tolist() == [0]
    networks["accuracy_source"] = "a paper on vgg"
    assert arrange(networks, words="vgg").tolist() == [0, 1, 2, 3]


def test_a_column_that_is_not_there_is_refused(networks, view):
    with pytest.raises(ValueError, match=r"sort_by: 'acuracy' is unknown; nearest: 'accuracy'"):
        arrange(networks, sort_by="acuracy")
    with pytest.raises(traitlets.TraitError, match="nearest: 'accuracy'"):
        view.sort_by = "acuracy"
    assert (view.sort_by, view.order) == (None, [0, 1, 2, 3])
    with pytest.raises(traitlets.TraitError, match="nearest: 'accuracy'"):
        BackboneTable(networks, sort_by="acuracy")


def test_building_a_view_displays_nothing(networks, capsys):
    BackboneTable(networks)
    assert capsys.readouterr() == ("", "")


def test_what_a_header_sets_changes_what_is_shown(view):
    view.sort_by = "n_parameters"
    assert view.shown["name"].tolist() == ["lite0 <b>", "resnet18", "ResNet50", "vgg11"]
    view.descending = True
    assert view.shown["name"].tolist() == ["vgg11", "ResNet50", "resnet18", "lite0 <b>"]
    assert view.status == "4 of 4 rows, by parameters (M), descending"
    view.words = "resnet"
    assert view.shown["name"].tolist() == ["ResNet50", "resnet18"]
    assert view.status.startswith("2 of 4 rows")
    assert repr(view) == f"BackboneTable({view.status})"


def test_columns_are_hidden_and_shown(networks):
    view = BackboneTable(networks.assign(accuracy_source="a paper"))
    assert view.hidden == ["accuracy_source"]
    view.hidden = ["licence"]
    with pytest.raises(traitlets.TraitError, match="hidden: 'licens' is unknown; nearest: 'licence'"):
        view.hidden = ["licens"]
    assert view.hidden == ["licence"]


def test_headers_say_their_unit_and_numbers_stand_right(view):
    assert [(column["title"], column["number"]) for column in view.columns] == [
        ("network", False),
        ("year", True),
        ("parameters (M)", True),
        ("published accuracy", True),
        ("licence of the weights", False),
        ("works offline", False),
    ]


def test_the_table_that_was_given_is_left_as_it_was(networks):
    before = networks.set_index("name", drop=False)
    view = BackboneTable(before, sort_by="accuracy")
    assert list(before.index) == networks["name"].tolist()
    assert view.shown.index.tolist() == [0, 1, 3, 2]


def test_readers_without_widgets_see_the_rows_as_they_are_sorted(networks):
    bundle, _ = BackboneTable(networks, sort_by="accuracy", words="0")._repr_mimebundle_()
    assert "<th>published accuracy</th>" in bundle["text/html"]
    assert re.findall("<tr><td>(.*?)</td>", bundle["text/html"]) == ["vgg11", "resnet18", "lite0 &lt;b&gt;", "ResNet50"]
    assert bundle["text/plain"] == "BackboneTable(4 of 4 rows, by published accuracy, ascending)"
    assert "application/vnd.jupyter.widget-view+json" in bundle


def test_of_a_long_table_readers_without_widgets_see_the_first_rows():
    long = pd.DataFrame({"name": [f"net{number}" for number in range(45)]})
    shown = BackboneTable(long)._repr_mimebundle_()[0]["text/html"]
    assert shown.count("<td>") == 30
    assert "15 more" in shown


def test_a_pattern_of_names_lists_the_catalogue():
    view = BackboneTable("resnet*", sort_by="n_parameters")
    names = view.shown["name"].tolist()
    assert {"resnet18", "resnet50"} <= set(names)
    assert all(name.startswith("resnet") for name in names)
    assert tl.backbones.table("resnet*")["name"].tolist() == view.table["name"].tolist()
