"""What a file holds against what a network wants: all of it, what is allowed to differ, or a table of faults."""

import contextlib

import pytest
import torch
from made_networks import copy_state, same_bits
from made_weights import pull_the_plug, save
from torch import nn

import tlkit as tl
from tlkit.backbones.weights.error import Fault, WeightsError
from tlkit.backbones.weights.fit import fit_to_network, rename
from tlkit.backbones.weights.read import read_weights

LEFT_OUT = ("fc",)
FIRST = "body.0.weight"


class Network(nn.Module):
    """A convolution and a norm layer, and a classifier: 7 tensors, one of them optional, and the classifier's two."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.fc = nn.Linear(4, 5)


@pytest.fixture(autouse=True)
def no_weights(tmp_path, monkeypatch):
    pull_the_plug(monkeypatch, tmp_path)


@pytest.fixture
def network():
    torch.manual_seed(1)
    return Network()


@pytest.fixture
def state():
    torch.manual_seed(2)
    return copy_state(Network())


def fit(tensors, network, allow=()):
    return fit_to_network(tensors, network, LEFT_OUT, "a file", allow, published=True)


def find_faults(tensors, network, allow=()):
    with pytest.raises(WeightsError, match="a file holds other weights than this network's") as caught:
        fit(tensors, network, allow)
    return caught.value.faults


def test_a_state_of_the_network_fits_as_it_is(network, state):
    fitted, changes, allowed = fit(state, network)
    assert same_bits(fitted, state)
    assert (changes, allowed) == (["fc was dropped: a backbone has no classifier"], ())


@pytest.mark.parametrize(
    "prefix",
    [
        *("module.", "model.", "backbone.", "encoder.", "net.", "_orig_mod."),
        *("state_dict.", "state_dict.module.", "model.module._orig_mod.backbone.", "anything.of.ones.own."),
    ],
)
def test_what_wrappers_put_before_names_is_stripped_and_said(prefix, network, state):
    # In another order, so that only the names tell which tensor is which.
    wrapped = {f"{prefix}{name}": state[name] for name in reversed(state)}
    before = dict(wrapped)
    fitted, changes, _ = fit(wrapped, network)
    assert same_bits(fitted, state)
    assert wrapped == before
    stripped = " ".join(changes)
    assert "was stripped from the names of 9 tensors" in stripped
    assert all(part in stripped for part in prefix.split(".") if part)


def test_wrappers_inside_names_are_stripped_too(network, state):
    compiled = {name.replace("body.", "body._orig_mod."): value for name, value in state.items()}
    fitted, changes, _ = fit(compiled, network)
    assert same_bits(fitted, state)
    assert changes[0] == "'_orig_mod' was stripped from the names of 7 tensors"


def wrap(prefix, state):
    return {f"{prefix}{name}": value for name, value in state.items()}


def number(state):
    """Return the state of nn.Sequential(*network.children()), whose parts are numbered."""
    return {name.replace("body", "0").replace("fc", "1"): value for name, value in state.items()}


OTHER_HEAD = {"fc.0.weight": torch.zeros(9, 4), "fc.3.weight": torch.zeros(2, 9)}
SURPLUS = {
    "another head in the place of the classifier": lambda state: without_head(state) | OTHER_HEAD,
    "averaged weights": lambda state: {"n_averaged": torch.tensor(3)} | wrap("module.", state),
    "a loss": lambda state: state | {"criterion.weight": torch.ones(5)},
    "metrics and class weights beside the model": lambda state: (
        wrap("state_dict.model.", state)
        | {"state_dict.val_acc.tp": torch.zeros(5), "state_dict.class_weights": torch.ones(5)}
    ),
    "a body and a head of numbers": lambda state: (
        wrap("0.", number(without_head(state))) | {"1.2.weight": torch.zeros(3, 4)}
    ),
    "numbered parts below a name": lambda state: wrap("feature_extractor.", number(without_head(state))),
    "counts of operations": lambda state: state | {"body.0.total_ops": torch.zeros(1), "total_params": torch.zeros(1)},
    "a queue of earlier batches": lambda state: (
        state | {"queue": torch.zeros(4, 9), "queue_ptr": torch.zeros(1).long()}
    ),
    "a token for pretraining": lambda state: state | {"mask_token": torch.zeros(1, 4)},
    "another order of parts below a prefix": lambda state: (
        wrap(
            "net.",
            {f"p{n}.{name.rpartition('.')[2]}": value for n, (name, value) in enumerate(without_head(state).items())},
        )
        | {"head.weight": torch.zeros(3, 4)}
    ),
}


def without_head(state):
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


@pytest.mark.parametrize("kind", SURPLUS)
def test_what_the_backbone_has_no_use_for_is_left_out_and_said(kind, network, state):
    with pytest.warns(UserWarning) if kind[:9] != "another h" else contextlib.nullcontext() as caught:
        fitted, changes, allowed = fit_to_network(SURPLUS[kind](state), network, LEFT_OUT, "a file")
    assert same_bits(without_head(fitted), without_head(state))
    assert allowed == ()
    if not ("below a name" in kind or kind.startswith("another h")):
        assert "left out, since the backbone lacks it: " in " ".join(changes)
        assert "left out, since the backbone lacks it: " in str(caught[0].message)


TRUNK = {
    "a further layer of a part": {"body.3.weight": torch.zeros(4, 4, 3, 3)},
    "a bias of a layer without one": {"body.0.scale": torch.zeros(4)},
    "a position embedding": {"pos_embed": torch.zeros(1, 9, 4)},
}


@pytest.mark.parametrize("kind", TRUNK)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_surplus_in_the_trunk_means_another_network(kind, prefix, network, state):
    """All tensors of ResNet-18 are in ResNet-34 too."""
    (fault,) = find_faults(wrap(prefix, state | TRUNK[kind]), network)
    assert (fault.tensor, fault.fault) == (next(iter(TRUNK[kind])), "unexpected")


@pytest.mark.parametrize(
    ("chosen", "other"),
    [
        *[("model_ema.module.", "model."), ("state_dict_ema.", "state_dict."), ("sd.ema_model.", "sd.model.")],
        *[("ema.", ""), ("", "momentum."), ("state_dict.", "best."), ("swa_model.", "model.")],
    ],
)
def test_of_several_states_the_averaged_one_or_the_usual_one_is_taken_and_said(chosen, other, network, state):
    both = wrap(other, {name: value + 1 for name, value in state.items()}) | wrap(chosen, state)
    fitted, changes, _ = fit(both, network)
    assert same_bits(fitted, state)
    assert f"of several states that fit, {chosen or 'the first'!r} was taken" in changes


def test_names_in_errors_and_warnings_cannot_steer_a_terminal(network, state):
    with pytest.warns(UserWarning) as caught:
        fit_to_network(state | {"head\x1b[8m.weight": torch.zeros(2)}, network, LEFT_OUT, "a \x07 file")
    assert r"a \x07 file" in str(caught[0].message) and "\x1b" not in str(caught[0].message)
    with pytest.raises(WeightsError) as caught:
        fit(state | {"body.9.x\x1b[8m\n": torch.zeros(2)}, network)
    assert r"body.9.x\x1b[8m\n" in str(caught.value) and "\x1b" not in str(caught.value)
    assert caught.value.faults[0].tensor == "body.9.x\x1b[8m\n"


def test_nothing_is_stripped_where_it_makes_nothing_fit(network, state):
    foreign = {f"module.{name}x": value for name, value in state.items()}
    unexpected = [fault.tensor for fault in find_faults(foreign, network) if fault.fault == "unexpected"]
    assert unexpected == list(foreign)


def test_two_states_that_both_fit_are_not_guessed_between(network, state):
    both = {f"{who}.{name}": value for who in ("teacher", "student") for name, value in state.items()}
    with pytest.raises(
        WeightsError, match=r"several states that fit equally well, under 'student\.', 'teacher\.': save"
    ):
        fit(both, network)


def test_a_tensor_that_comes_twice_is_said(network, state):
    twice = {f"model.{name}": value for name, value in state.items()} | {FIRST: torch.zeros(4, 3, 3, 3)}
    assert find_faults(twice, network) == (Fault(FIRST, "comes twice", FIRST, "one of them"),)


def test_other_names_in_the_same_order_and_shape_are_understood_and_said(network, state):
    renamed = {f"layer{number}.{name.split('.')[-1]}": value for number, (name, value) in enumerate(state.items())}
    fitted, changes, _ = fit(renamed, network)
    assert same_bits(fitted, state)
    assert changes[0].startswith("all 9 names differ; the tensors were matched in their order")


def test_other_names_that_say_another_order_are_refused(network, state):
    kinds = {"weight": "bias", "bias": "weight"}
    renamed = {}
    for number, (name, value) in enumerate(state.items()):
        kind = name.rpartition(".")[2]
        renamed[f"layer{number}.{kinds.get(kind, kind)}"] = value
    assert Fault(FIRST, "missing", "", "(4, 3, 3, 3)") in find_faults(renamed, network)


def put(tensor):
    return lambda state: state.update({FIRST: tensor})


def plant(value):
    return lambda state: state[FIRST].view(-1)[5].fill_(value)


FAULTS = [
    (lambda state: state.pop(FIRST), Fault(FIRST, "missing", "", "(4, 3, 3, 3)")),
    (put(torch.zeros(4, 3, 5, 5)), Fault(FIRST, "shape", "(4, 3, 5, 5)", "(4, 3, 3, 3)")),
    (plant(torch.nan), Fault(FIRST, "NaN or infinity", "1 of 108", "finite values")),
    (plant(-torch.inf), Fault(FIRST, "NaN or infinity", "1 of 108", "finite values")),
    (
        put(torch.full((4, 3, 3, 3), 1e300, dtype=torch.float64)),
        Fault(FIRST, "NaN or infinity", "108 of 108", "finite values"),
    ),
    (put(torch.zeros(4, 3, 3, 3, dtype=torch.int8)), Fault(FIRST, "type", "torch.int8", "torch.float32")),
    (put(torch.zeros(4, 3, 3, 3, dtype=torch.complex64)), Fault(FIRST, "type", "torch.complex64", "torch.float32")),
    (
        put(torch.zeros(4, 3, 3, 3).to_sparse()),
        Fault(FIRST, "type", "torch.float32, torch.sparse_coo", "torch.float32"),
    ),
    (put(torch.zeros(4, 3, 3, 3, device="meta")), Fault(FIRST, "type", "no values", "torch.float32")),
    (
        lambda state: state.update({"body.3.weight": torch.zeros(7, 4)}),
        Fault("body.3.weight", "unexpected", "(7, 4)", ""),
    ),
]


@pytest.mark.parametrize(("change", "fault"), FAULTS)
def test_a_fault_is_refused_with_its_row_and_let_pass_where_allowed(change, fault, network, state):
    change(state)
    assert find_faults(state, network) == (fault,)
    fitted, changes, allowed = fit(state, network, allow=(fault.tensor.replace(".weight", ".*"),))
    assert allowed == (fault.tensor,)
    assert f"kept at the network's own values, as allowed: {fault.tensor}" in changes
    expected = {name: value for name, value in state.items() if name != fault.tensor}
    if fault.fault != "unexpected":
        expected[FIRST] = network.state_dict()[FIRST]
    assert same_bits({name: fitted[name] for name in expected}, expected)
    assert fitted.keys() == network.state_dict().keys()


def test_all_faults_stand_in_one_table(network):
    faults = find_faults({f"part{number}.weight": torch.zeros(2) for number in range(30)}, network)
    with pytest.raises(WeightsError) as caught:
        fit({f"part{number}.weight": torch.zeros(2) for number in range(30)}, network)
    table, lines = caught.value.table, str(caught.value).splitlines()
    assert list(table.columns) == ["tensor", "fault", "given", "expected"]
    assert len(table) == len(faults) == 36
    assert table["fault"].value_counts().to_dict() == {"unexpected": 30, "missing": 6}
    assert "0 of its 6 tensors fit" in lines[0]
    assert lines[1].split() == ["tensor", "fault", "given", "expected"]
    assert lines[2].split() == [FIRST, "missing", "(4,", "3,", "3,", "3)"]
    assert len(lines) == 1 + 1 + 20 + 1
    assert lines[-1] == "  and 16 more"


def test_counts_of_batches_may_be_missing(network, state):
    del state["body.1.num_batches_tracked"]
    fitted, _, _ = fit(state, network)
    assert fitted["body.1.num_batches_tracked"] == 0


def test_a_classifier_of_other_size_or_none_is_left_out_and_said(network, state):
    state["fc.weight"] = torch.full((7, 4), torch.nan)
    fitted, changes, allowed = fit(state, network)
    assert torch.equal(fitted["fc.weight"], network.fc.weight)
    assert (changes, allowed) == (["fc was dropped: a backbone has no classifier"], ())
    del state["fc.weight"], state["fc.bias"]
    assert fit(state, network)[1] == []


def test_what_is_not_allowed_is_refused_with_the_pattern_that_helps_nothing(network, state):
    del state[FIRST], state["body.1.weight"]
    with pytest.raises(WeightsError, match=r"allow: 'boddy\.\*' matches none of the faults") as caught:
        fit(state, network, allow=("body.1.*", "boddy.*"))
    assert [fault.tensor for fault in caught.value.faults] == [FIRST]


def test_a_pattern_that_was_not_needed_is_said(network, state):
    with pytest.warns(UserWarning, match=r"allow: 'fc\.\*' matches no fault in a file"):
        fit(state, network, allow="fc.*")


def test_allowing_everything_does_not_make_random_weights_pretrained(network):
    with pytest.raises(WeightsError, match=r"0 of its 6 tensors fit\. That is too few.*pass weights=None"):
        fit({"other.weight": torch.zeros(2)}, network, allow=("*",))


@pytest.mark.parametrize("allow", [[3], (None,)])
def test_what_is_no_pattern_is_said(allow, network, state):
    with pytest.raises(TypeError, match=r"allow: .*expected patterns of tensor names"):
        fit(state, network, allow=allow)


def test_counts_of_batches_may_be_fractions_as_averages_of_checkpoints_have_them(network, state):
    averaged = {name: value.float() * 1.5 for name, value in state.items()}
    fitted, changes, _ = fit(averaged, network)
    assert fitted["body.1.num_batches_tracked"].dtype == torch.int64
    assert torch.equal(fitted[FIRST], averaged[FIRST]) and len(changes) == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_floats_of_another_precision_are_taken_with_a_warning(dtype, network, state):
    other = {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}
    with pytest.warns(
        UserWarning, match=rf"a file: {dtype} was read as torch\.float32: results differ by its rounding"
    ):
        fitted, _, _ = fit_to_network(other, network, LEFT_OUT, "a file")
    assert torch.equal(fitted[FIRST], other[FIRST].float())
    assert {name: value.dtype for name, value in fitted.items()} == {name: value.dtype for name, value in state.items()}


def test_users_are_warned_of_what_was_changed_once(network, state):
    wrapped = {f"module.{name}": value.double() for name, value in state.items() if value.is_floating_point()}
    with pytest.warns(
        UserWarning, match=r"a file: 'module\.' was stripped from the names of 8 tensors; torch\.float64"
    ):
        fit_to_network(wrapped, network, LEFT_OUT, "a file")


def test_a_network_is_loaded_with_what_is_allowed_and_says_so(tmp_path):
    name = "mobilenet_v3_small"
    random = tl.load_backbone(name, None, 32, seed=5).state_dict()
    torch.manual_seed(7)
    from torchvision.models import mobilenet_v3_small

    state = mobilenet_v3_small(weights=None).state_dict()
    del state["features.12.0.weight"]
    path = save({f"module.{key}": value for key, value in state.items()}, tmp_path / "part.pth")
    with pytest.raises(WeightsError, match=r"features\.12\.0\.weight +missing"):
        tl.load_backbone(name, path, 32)
    with pytest.warns(UserWarning, match=r"part\.pth: 'module\.' was stripped"):
        backbone = tl.load_backbone(name, path, 32, seed=5, allow=("features.12.*",))
    assert backbone.provenance["allowed"] == ("features.12.0.weight",)
    assert "'module.' was stripped from the names of 243 tensors" in backbone.provenance["changes"][0]
    convolutions = [(value, random[key]) for key, value in backbone.state_dict().items() if value.ndim == 4]
    still_random = [value for value, drawn in convolutions if torch.equal(value, drawn)]
    assert [tuple(value.shape) for value in still_random] == [(576, 96, 1, 1)]
    assert torch.equal(convolutions[0][0], state["features.0.0.weight"])


def test_a_published_file_of_another_network_is_recognised(network, tmp_path):
    from tlkit.backbones.networks import find_entry
    from tlkit.backbones.weights.weight_files import find_weights

    path = find_weights(find_entry("efficientnet_lite1"), "pretrained")
    tensors, _ = read_weights(path)
    with pytest.raises(
        WeightsError, match=r"tensors fit, and it is the published file of efficientnet_lite1\. Load it"
    ):
        fit_to_network(tensors, network, LEFT_OUT, path)


def test_the_error_survives_a_process_boundary():
    import pickle

    error = pickle.loads(pickle.dumps(WeightsError("a file", [Fault("a", "missing", "", "(2,)")])))
    assert str(error).startswith("a file\n  tensor")
    assert error.table["tensor"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("features.denseblock1.denselayer12.norm.1.running_var", "features.denseblock1.denselayer12.norm1.running_var"),
        ("features.denseblock4.denselayer2.conv.2.weight", "features.denseblock4.denselayer2.conv2.weight"),
        ("encoder.layers.encoder_layer_0.mlp.linear_1.weight", "encoder.layers.encoder_layer_0.mlp.0.weight"),
        ("encoder.layers.encoder_layer_11.mlp.linear_2.bias", "encoder.layers.encoder_layer_11.mlp.3.bias"),
    ],
)
def test_names_of_torchvisions_first_releases_are_known(old, new):
    assert rename({old: (2,)}, {new: (2,)}, "a file") == ({old: new}, [])
    assert rename({f"module.{old}": (2,)}, {new: (2,)}, "a file")[0] == {f"module.{old}": new}


def test_a_network_that_asks_for_the_version_of_its_layers_is_loaded(tmp_path):
    from torchvision.models import mnasnet0_5

    network = mnasnet0_5()
    path = save(network.state_dict(), tmp_path / "own.pth")
    backbone = tl.load_backbone("mnasnet0_5", path, 32)
    assert torch.equal(next(backbone.parameters()), next(network.parameters()))
