"""What looks into a run, or at features, says kindly that it was given something else."""

import re

import pytest

import tlkit as tl
from tlkit.inspection.random_weights import randomize

BACKBONE = "efficientnet_lite0"


@pytest.mark.parametrize(
    "look",
    [
        lambda run: tl.inspection.diagnose(run),
        lambda run: tl.inspection.measure_weight_distance(run),
        lambda run: tl.inspection.grad_cam(run, []),
        lambda run: tl.inspection.integrated_gradients(run, []),
        lambda run: randomize(run),
        lambda run: tl.inspection.study_heat_maps(run, []),
    ],
)
def test_what_is_no_run_is_refused_by_name(look):
    with pytest.raises(TypeError, match=re.escape("run: 'efficientnet_lite0' is a str, expected a Run, as transfer")):
        look(BACKBONE)


def test_what_is_no_features_is_refused_by_name():
    with pytest.raises(TypeError, match="features: a str, expected Features, as extract_features returns them"):
        tl.inspection.find_label_errors(BACKBONE)
