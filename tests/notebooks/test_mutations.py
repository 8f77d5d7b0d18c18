"""Mutations of tlkit: for each, at least one lesson fails, already in its cheapest part."""

import copy
import dataclasses

import nbformat
import pytest
from guards import REPOSITORY
from test_notebook_guards import run_nbval


@dataclasses.dataclass
class Mutation:
    """Code that damages tlkit in the kernel, and the part of a lesson that has to notice it.

    Arguments
    ---------
    lesson: str, its file without the ending
    last: str, some code of the last cell of the part
    skipped: list of str, code of cells that are left out, because the part doesn't need what they take long for
    code: str, run before the first cell
    """

    lesson: str
    last: str
    code: str
    skipped: tuple = ()


MUTATIONS = {
    "wrong mean": Mutation(
        lesson="09_little_data",
        last='describe().loc[["min", "mean", "max"]]',
        skipped=("draw_augmentations", "tl.transfer", "tl.compare", "AugmentationExplorer", "explorer.snapshot"),
        code="""
import dataclasses
import tlkit.images.inputs
from tlkit.backbones.recipe import Recipe

_at = Recipe.at
Recipe.at = lambda recipe, size: dataclasses.replace(_at(recipe, size), mean=(0.0, 0.0, 0.0))
""",
    ),
    "freezing is a no-op": Mutation(
        lesson="03_freeze",
        last="tl.freeze",
        code="""
import tlkit.backbones.freezing.freeze

tlkit.backbones.freezing.freeze.freeze = lambda model, **settings: model
""",
    ),
    "intervals are too narrow": Mutation(
        lesson="01_why_transfer",
        last="x",
        code="""
import tlkit.evaluation.intervals

_extend = tlkit.evaluation.intervals._extend
tlkit.evaluation.intervals._extend = lambda mean, variance, *rest: _extend(mean, variance / 9, *rest)
""",
    ),
    "groups are ignored": Mutation(
        lesson="01_why_transfer",
        last="set(test.groups)",
        code="""
import numpy as np
import tlkit.images.imageset

_choose_test = tlkit.images.imageset.choose_test


def choose_test(labels, groups, folds, **settings):
    return _choose_test(labels, np.arange(len(labels)), np.full(len(labels), -1), **settings)


tlkit.images.imageset.choose_test = choose_test
""",
    ),
    "AdaBN subtracts the target's mean twice": Mutation(
        lesson="07_another_domain",
        last="adapt_run",
        code="""
import tlkit.adaptation.source_free

_reestimate = tlkit.adaptation.source_free.reestimate_norm_statistics


def reestimate(backbone, pictures, seed, names=None):
    _reestimate(backbone, pictures, seed, names)
    for name, value in backbone.named_buffers():
        if name.endswith("running_mean"):
            value.mul_(2)


tlkit.adaptation.source_free.reestimate_norm_statistics = reestimate
""",
    ),
}


def cut_out(notebook, mutation):
    """Return the part of a lesson that has to notice a mutation."""
    part = copy.deepcopy(notebook)
    last = next(place for place, cell in enumerate(part.cells) if cell.cell_type == "code" and mutation.last in cell.source)
    cells = [cell for cell in part.cells[: last + 1] if cell.cell_type == "code"]
    part.cells = [cell for cell in cells if not any(code in cell.source for code in mutation.skipped)]
    return part


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_lesson_notices(name, tmp_path):
    mutation = MUTATIONS[name]
    part = cut_out(nbformat.read(REPOSITORY / "notebooks" / f"{mutation.lesson}.ipynb", as_version=4), mutation)
    nbformat.write(part, tmp_path / "sound.ipynb")
    part.cells[0].source = mutation.code + part.cells[0].source
    nbformat.write(part, tmp_path / "mutated.ipynb")
    assert run_nbval(tmp_path) == {"sound": True, "mutated": False}
