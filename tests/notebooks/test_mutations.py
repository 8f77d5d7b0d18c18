"""Mutations of tlkit: for each, at least one lesson fails, already in its cheapest part."""

import copy
import dataclasses

import nbformat
import pytest
from guards import REPOSITORY, find_solutions
from test_notebook_guards import run_nbval


@dataclasses.dataclass
class Mutation:
    """Code that damages tlkit in the kernel, and the part of a lesson that has to notice it.

    Arguments
    ---------
    lesson: str, its file without the ending
    last: str, some code of the last cell of the part
    code: str, run before the first cell
    skipped: tuple of str, code of cells that the part doesn't need
    solution: int or None, the folded solution that has to pass after the part
    claim: str or None, the claim whose quickest replication has to be found again after the part
    """

    lesson: str
    last: str
    code: str
    skipped: tuple = ()
    solution: int | None = None
    claim: str | None = None


MUTATIONS = {
    "wrong mean": Mutation(
        lesson="09_little_data",
        last='describe().loc[["min", "mean", "max"]]',
        skipped=("tl.transfer", "tl.compare", "AugmentationExplorer", "explorer.snapshot"),
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
        last="comparison = tl.compare",
        skipped=("scratch = tl.compare", "scratch.runs"),
        solution=1,
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
        last="import tlkit as tl",
        claim="adabn_harms",
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


REPLICATION = """
from tlkit.claims.ledger import load_measurements
from tlkit.claims.replicate import measure

(one,) = [one for one in load_measurements() if {name!r} in one.claims]
row = one.claims[{name!r}].replications.sort_values("duration_s").iloc[0]
(choices,) = [choices for choices in one.replications if all(str(row[key]) == str(choices[key]) for key in choices)]
effect = measure(one, choices)[0][{name!r}][0]
assert abs(effect - row["effect"]) < 0.1, (effect, row["effect"])
"""


def cut_out(notebook, mutation):
    """Return the part of a lesson that has to notice a mutation."""
    code = [cell for cell in copy.deepcopy(notebook.cells) if cell.cell_type == "code"]
    last = next(place for place, cell in enumerate(code) if mutation.last in cell.source)
    cells = [cell for cell in code[: last + 1] if not any(source in cell.source for source in mutation.skipped)]
    if mutation.solution is not None:
        *lines, check = find_solutions(notebook)[mutation.solution].strip().split("\n")
        cells.append(nbformat.v4.new_code_cell("\n".join([*lines, f"assert {check}.passed"])))
    if mutation.claim:
        cells.append(nbformat.v4.new_code_cell(REPLICATION.format(name=mutation.claim)))
    part = nbformat.v4.new_notebook(metadata=notebook.metadata)
    part.cells = cells
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
