"""Small examples of internal functions, run as doctests. Examples of public names are in their docstrings."""

import doctest
import importlib

import numpy as np
import pandas as pd
import pytest

import tlkit as tl

# By module and function; an example uses the names of the module.
EXAMPLES = {
    ("tlkit.adaptation.distances", "exchange_groups"): """
>>> np.unique(exchange_groups(np.array([0, 0, 1, 1]), np.arange(4) > 1, 9, seed=0), axis=1).T.astype(int)
array([[0, 0, 1, 1],
       [1, 1, 0, 0]])
""",
    ("tlkit.adaptation.losses", "ramp"): """
>>> [round(ramp(progress), 3) for progress in (0, 0.1, 0.5, 1)]
[0.0, 0.462, 0.987, 1.0]
""",
    ("tlkit.adaptation.losses", "coral_loss"): """
>>> coral_loss(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [4.0]])).item()  # variances 2 and 8
9.0
""",
    ("tlkit.adaptation.losses", "entropy_loss"): """
>>> round(entropy_loss(torch.zeros(3, 2)).item(), 4)
0.6931
""",
    ("tlkit.adaptation.losses", "information_maximisation_loss"): """
>>> round(information_maximisation_loss(torch.tensor([[50.0, 0.0], [0.0, 50.0]])).item(), 4)
-0.6931
""",
    ("tlkit.adaptation.solved_head", "solve_head"): """
>>> weight, bias = solve_head(np.array([[-1.0], [1.0], [2.0]]), np.array([0, 2, 2]), 3, l2_penalty=0.1)
>>> (np.array([[-1.0], [2.0]]) @ weight.T + bias).argmax(axis=1)
array([0, 2])
""",
    ("tlkit.adaptation.source_free", "label_by_centroids"): """
>>> features = torch.tensor([[1.0, 0.1], [1.0, 0.2], [0.1, 1.0]])
>>> label_by_centroids(features, torch.tensor([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]])).tolist()
[0, 0, 1]
""",
    ("tlkit.adaptation.split_distances", "divide_rows"): """
>>> list(divide_rows(3))
[slice(0, 3, None)]
""",
    ("tlkit.adaptation.target_shots", "name_arm"): """
>>> name_arm("sketch", "source_only", 0.25), name_arm("sketch", "coral", "pooled")
('sketch × 0.25', 'sketch, coral, pooled')
""",
    ("tlkit.adaptation.trained_objectives", "make_critic"): """
>>> import torch
>>> make_critic(3, 8, seed=0)(torch.zeros(5, 3)).shape
torch.Size([5, 1])
""",
    ("tlkit.arguments", "suggest"): """
>>> suggest("clip-art", ["photo", "clipart"])
"nearest: 'clipart'; known: 'clipart', 'photo'"
>>> suggest("xyz", ["photo", "clipart"])
"known: 'clipart', 'photo'"
""",
    ("tlkit.arguments", "check_known"): """
>>> check_known("domain", "photo", ["photo", "clipart"])
['photo']
""",
    ("tlkit.arguments", "check_count"): """
>>> check_count("n_folds", np.int64(5), 2)
5
""",
    ("tlkit.arguments", "check_number"): """
>>> check_number("decay", 1, above=0, at_most=1), check_number("l2_penalty", "auto", above=0, or_text="auto")
(1.0, 'auto')
""",
    ("tlkit.arguments", "check_shape"): """
>>> check_shape("groups", ["a", "b"], (2,), "one group per picture").tolist()
['a', 'b']
""",
    ("tlkit.arguments", "resolve_index"): """
>>> resolve_index([True, False, True], 3).tolist(), resolve_index(slice(1, None), 3).tolist()
([0, 2], [1, 2])
""",
    ("tlkit.arguments", "read_labels"): """
>>> read_labels("labels", np.array(["bug", "bird"], dtype=object)).dtype.kind
'U'
""",
    ("tlkit.backbones.networks", "read_weights_tag"): """
>>> read_weights_tag("resnet18", "ResNet18_Weights.IMAGENET1K_V1"), read_weights_tag("resnet18", "DEFAULT")
('IMAGENET1K_V1', 'pretrained')
""",
    ("tlkit.backbones.timm_networks", "find_timm_entry"): """
>>> entry = find_timm_entry("timm:resnet18.tv_in1k")
>>> entry.name, entry.weights, entry.recipe.resize_size_px, entry.licence
('timm:resnet18', 'tv_in1k', 256, 'bsd-3-clause')
""",
    ("tlkit.backbones.timm_networks", "read_tag"): """
>>> read_tag("convnext_base", "clip_laion2b_augreg_ft_in12k_in1k")
('LAION-2B, then ImageNet-12k, then ImageNet-1k', 'general')
>>> read_tag("vit_large_patch16_dinov3", "sat493m")
('SAT-493M, satellite pictures', 'domain')
""",
    ("tlkit.backbones.weights.fit", "rename"): """
>>> rename({"module.fc.bias": (2,), "epoch": ()}, {"fc.bias": (2,)}, "a file")
({'module.fc.bias': 'fc.bias'}, ["'module.' was stripped from the names of 1 tensor"])
""",
    ("tlkit.comparison.crossings", "find_crossings"): """
>>> from tlkit.evaluation.paired_gains import PairedGains
>>> pairs = [PairedGains(np.array([-0.11, -0.1, -0.09])), PairedGains(np.array([0.09, 0.1, 0.11]))]
>>> (crossing,) = find_crossings(pairs, [2, 8])
>>> round(crossing.shots), crossing.verdict
(4, 'crosses')
""",
    ("tlkit.evaluation.gains", "give_verdict"): """
>>> give_verdict(0.05, 0.11), give_verdict(-0.01, 0.015), give_verdict(-0.04, 0.09)
('helps', 'no difference that matters', "can't tell")
""",
    ("tlkit.evaluation.scores", "count_confusion"): """
>>> count_confusion(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
[[1, 0], [1, 1]]
""",
    ("tlkit.evaluation.intervals", "wilson_interval"): """
>>> low, high = wilson_interval(8, 10)
>>> round(low, 3), round(high, 3)
(0.49, 0.943)
""",
    ("tlkit.evaluation.intervals", "normal_half_width"): """
>>> round(normal_half_width(0.5, 100), 3)
0.098
""",
    ("tlkit.evaluation.intervals", "percentile_interval"): """
>>> low, high = percentile_interval(range(41))
>>> round(low, 3), round(high, 3)
(1.0, 39.0)
""",
    ("tlkit.features.arrays", "check_pair"): """
>>> [values.shape for values in check_pair([[1], [2]], [[3], [4], [5]])]
[(2, 1), (3, 1)]
""",
    ("tlkit.features.arrays", "check_groups"): """
>>> check_groups(["a", "b"], ["b"], 2, 1)
array([0, 1, 1])
""",
    ("tlkit.features.arrays", "check_labels"): """
>>> check_labels(["bug", "bird", "bug"])
(array([1, 0, 1]), 2)
""",
    ("tlkit.features.frozen_network", "find_spatial_axes"): """
>>> find_spatial_axes((1, 64, 7, 7)), find_spatial_axes((1, 197, 768)), find_spatial_axes((1, 512))
((2, 3), (1,), ())
""",
    ("tlkit.summaries.cuts", "find_neighbors"): """
>>> values = np.array([[1, 0], [2, 0], [1, 1], [0, 1]], np.float32)
>>> names = np.array(list("abcd"))
>>> features = tl.Features(values, np.zeros(4, int), ["cat"], names, names, {})
>>> indices, similarities = find_neighbors(features, 0, 2)
>>> indices, similarities.round(3)
(array([1, 2]), array([1.   , 0.707]))
""",
    ("tlkit.summaries.cuts", "share_same_class"): """
>>> names = np.array(list("abcd"))
>>> features = tl.Features(np.array([[1, 0], [3, 1], [1, 3], [0, 1]], float), np.array([0, 0, 1, 0]), ["cat", "dog"],
...                     names, names, {})
>>> share_same_class(features)
0.5
""",
    ("tlkit.heads.numerics", "normalise"): """
>>> normalise(np.array([[3.0, 4.0], [0.0, 0.0]]))
array([[0.6, 0.8],
       [0. , 0. ]])
""",
    ("tlkit.heads.modules", "make_linear"): """
>>> make_linear(np.eye(2), np.zeros(2))(torch.tensor([[1.0, 2.0]])).tolist()
[[1.0, 2.0]]
""",
    ("tlkit.heads.neighbors", "weigh"): """
>>> weigh(np.array([[0.5, 0.25]]))
array([[2., 4.]])
""",
    ("tlkit.heads.ridge", "measure_leave_one_out"): """
>>> values, targets = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [1.0], [2.0]])
>>> measure_leave_one_out(values, targets, [1e-9]).round(6)
array([0.])
""",
    ("tlkit.images.encodings", "guess_encoding"): """
>>> guess_encoding(["猫".encode("gbk"), "狗".encode("gbk")]), guess_encoding([b"caf\\xe9"])
('gbk', 'cp1252')
""",
    ("tlkit.images.formats", "find_format"): """
>>> find_format(b"GIF89a")
'GIF'
""",
    ("tlkit.images.inputs", "gather_pictures"): """
>>> gather_pictures(np.zeros((5, 32, 48, 3), np.uint8))
ImageSet(5 pictures, 1 classes, 5 groups: given)
""",
    ("tlkit.images.files", "is_ignored"): """
>>> [is_ignored(name) for name in (".ipynb_checkpoints", "._cat.png", "Thumbs.db", "cat.png")]
[True, True, True, False]
""",
    ("tlkit.inspection.label_errors", "find_confident"): """
>>> find_confident(np.array([[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.1, 0.9]]), np.array([0, 1, 1, 1]))
array([False, False, False, False])
""",
    ("tlkit.inspection.picture_alignment", "compare_aligned"): """
>>> pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype(np.float32)
>>> whole = np.array([[0.0, 0.0, 1.0, 1.0]])
>>> compare_aligned(pictures[:1], pictures[:1], whole).round(2).tolist()
[1.0]
>>> bool(compare_aligned(pictures[:1], pictures[1:], whole)[0] < 0.2)
True
""",
    ("tlkit.inspection.random_weights", "list_depths"): """
>>> list_depths(tl.load_backbone(weights=None, image_size_px=32))[:3]
['trained', 'head', 'conv_head']
""",
    ("tlkit.inspection.random_weights", "correlate_ranks"): """
>>> correlate_ranks(np.array([[0, 1], [2, 3]]), np.array([[1, 10], [100, 1000]]))
1.0
""",
    ("tlkit.lessons.lesson_09", "expect_maximum"): """
>>> round(expect_maximum(0.5, 1, 2), 2)
0.75
""",
    ("tlkit.names", "number_repeats"): """
>>> number_repeats(["a/1.png", "a/1.png"])
['a/1.png', 'a/1 (2).png']
""",
    ("tlkit.names", "format_strategy"): """
>>> format_strategy("linear_probe")
'linear probe'
""",
    ("tlkit.plots.backbone_choice", "find_front"): """
>>> find_front([1, 2, 3, 3], [0.5, 0.4, 0.7, 0.6])
array([ True, False,  True, False])
""",
    ("tlkit.plots.style", "shorten"): """
>>> shorten("03221_Animalia_Chordata_Aves_Passeriformes_Icteridae_Sturnella_magna")
'03221_Ani…eridae_Sturnella_magna'
""",
    ("tlkit.strategies.augmentation", "check_policies"): """
>>> check_policies(["crop", "mixup"]), check_policies(["flip"])
(('crop', 'mixup'), 'flip')
""",
    ("tlkit.strategies.augmentation", "split_policies"): """
>>> split_policies(("crop", "mixup")), split_policies("cutmix"), split_policies("flip")
(('crop', 'mixup'), (None, 'cutmix'), ('flip', None))
""",
    ("tlkit.strategies.augmentation", "list_policies"): """
>>> list_policies(None), list_policies("flip"), list_policies(("crop", "mixup"))
((), ('flip',), ('crop', 'mixup'))
""",
    ("tlkit.strategies.augmentation", "format_augment"): """
>>> format_augment(None), format_augment(["crop", "mixup"])
('none', 'crop + mixup')
""",
    ("tlkit.summaries.freeze_score", "make_strategy"): """
>>> score = FreezeScore(("stem", "head"), [[0, 1e-4, 1e-4], [0, 1e-3, 1e-3]], [Mark(solved=True), Mark(), Mark()])
>>> [(phase.train, phase.n_epochs) for phase in make_strategy(score).phases]
[(('head',), None), (('all', 'head'), 2)]
""",
    ("tlkit.summaries.freeze_score", "write_python"): """
>>> print(write_python(FreezeScore(("stem", "head"), [[0, 1e-4], [0, 1e-4]], [Mark(solved=True), Mark()])))
import tlkit as tl
<BLANKLINE>
strategy = tl.Strategy(
    [
        tl.Phase(["head"], None),
        tl.Phase(["all"], 1, 0.0001),
    ],
    name="painted",
)
""",
    ("tlkit.summaries.freeze_score", "format_rate"): """
>>> [format_rate(rate) for rate in (0, 2e-4, 0.00025, 0.003, 1.0)]
['frozen', '2e-4', '2.5e-4', '3e-3', '1e0']
""",
    ("tlkit.strategies.phase_schedules", "decay_by_stage"): """
>>> backbone = tl.load_backbone("squeezenet1_1", weights=None, image_size_px=32)
>>> (phase,) = decay_by_stage([tl.Phase(["all"], 1, 0.008)], backbone, 50, decay=0.5)
>>> phase.learning_rate
{'stem': 0.0005, 'stage1': 0.001, 'stage2': 0.002, 'stage3': 0.004, 'head': 0.008, 'all': 0.008}
""",
    ("tlkit.strategies.phase_schedules", "unfreeze_gradually"): """
>>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
>>> for phase in unfreeze_gradually([tl.Phase(["all"], 6, 2e-4)], backbone, 50, n_parts=3):
...     print(phase.n_epochs, *phase.train)
1 stage3 stage4 head
1 stage1 stage2 stage3 stage4 head
6 all
""",
    ("tlkit.strategies.phase_schedules", "tune_block"): """
>>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
>>> [tune_block([tl.Phase(["all"], 6, 2e-4)], backbone, 50, block=block)[0].train for block in BLOCKS]
[('stem', 'stage1', 'head'), ('stage2', 'head'), ('stage3', 'stage4', 'head')]
""",
    ("tlkit.strategies.phase_schedules", "set_length_by_size"): """
>>> [set_length_by_size([tl.Phase(["all"], 1, 2e-4)], None, n)[0].n_epochs for n in (100, 500, 5000)]
[12, 8, 6]
""",
    ("tlkit.summaries.augmentation", "format_label"): """
>>> format_label(np.array([0.0, 1.0]), ["bird", "bug"])
'bug'
>>> print(format_label(np.array([0.25, 0.75]), ["bird", "bug"]))
bug: 0.75
bird: 0.25
""",
    ("tlkit.summaries.backbone_choice", "list_excesses"): """
>>> list_excesses(pd.DataFrame({"n_flops": [0.8e9, 31e9, None]}), Budget(n_flops=1e9))
['', '31.00 GFLOP per picture', 'unknown cost']
""",
    ("tlkit.summaries.backbone_choice", "find_fitting"): """
>>> find_fitting(pd.DataFrame({"n_flops": [0.8e9, 31e9]}), Budget(n_flops=1e9))
array([ True, False])
""",
    ("tlkit.summaries.backbone_choice", "choose"): """
>>> nets = pd.DataFrame({"name": ["a", "b"], "n_flops": [0.8e9, 31e9], "accuracy": [0.6, 0.7]})
>>> choose(nets, Budget(n_flops=1e9), score="accuracy").outcome
'Best of them by accuracy: a (0.600).'
""",
    ("tlkit.summaries.backbone_choice", "format_limit"): """
>>> format_limit("n_flops", 0.77e9)
'0.77 GFLOP per picture'
""",
    ("tlkit.summaries.backbone_table", "format_column"): """
>>> format_column("n_flops"), format_column("year")
('GFLOP per picture', 'year')
""",
    ("tlkit.summaries.backbone_table", "format_cells"): """
>>> import pandas as pd
>>> format_cells(pd.DataFrame({"name": ["a", "b"], "n_flops": [1.6e9, None]}))
[['a', '1.60'], ['b', '']]
""",
    ("tlkit.summaries.backbone_table", "format_html"): """
>>> import pandas as pd
>>> format_html(pd.DataFrame({"name": ["a<b"]}))
'<table><tr><th>network</th></tr><tr><td>a&lt;b</td></tr></table>'
""",
    ("tlkit.summaries.backbone_table", "arrange"): """
>>> import pandas as pd
>>> networks = pd.DataFrame({"name": ["VGG-11", "ResNet-18", "ResNet-50"], "n_flops": [15.2, 3.6, 8.2]})
>>> arrange(networks, sort_by="n_flops", descending=True, words="resnet")
array([2, 1])
""",
    ("tlkit.summaries.adaptation", "DomainMap.move"): """
>>> before = map_domains([[0, 0], [1, 0]], [0, 1], [[5, 0], [6, 1]], [0, 1], ["cat", "dog"])
>>> before.move([[5, 0.5], [6, 0.5]]).source.tolist()
[[5.0, 0.5], [6.0, 0.5]]
""",
    ("tlkit.summaries.adaptation", "map_domains"): """
>>> made = map_domains([[0, 0], [1, 0]], [0, 1], [[5, 0], [6, 1]], [0, 1], ["cat", "dog"])
>>> made.source.tolist(), made.axis_names
([[0.0, 0.0], [1.0, 0.0]], ('feature 1', 'feature 2'))
""",
    ("tlkit.summaries.freeze_score_trials", "format_result"): """
>>> format_result({"accuracy": 0.8, "n_test": 10, "duration_s": 1.1, "estimated_s": 1.0})
'8 of 10 test pictures right (0.80). Trained in 1.1 s; 1.0 s were estimated.'
""",
    ("tlkit.summaries.source_worth", "format_source"): """
>>> format_source(SourceChoice("sketch", 0.25, 1)), format_source(SourceChoice("sketch", "pooled", 5))
('sketch at 0.25 times the weight of 1 shot per class', 'sketch pooled with 5 shots per class')
""",
    ("tlkit.training.batches", "mix_batch"): """
>>> import torch
>>> black_and_white = torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])
>>> mixed, shares = mix_batch(black_and_white, torch.tensor([0, 2]), "mixup", 3, draw=(1, 0, 0))
>>> torch.equal(mixed.mean(dim=(1, 2, 3)), shares[:, 2]), shares.sum(dim=1).tolist()
(True, [1.0, 1.0])
""",
    ("tlkit.training.batches", "order_target"): """
>>> [order_target(4, 3, epoch, seed=0).tolist() for epoch in range(4)]
[[3, 1, 2], [0, 0, 3], [1, 2, 1], [3, 0, 2]]
""",
    ("tlkit.training.lora", "merge"): """
>>> merge(torch.eye(2), torch.tensor([[1.0, 2.0]]), torch.tensor([[10.0], [0.0]])).tolist()
[[11.0, 20.0], [0.0, 1.0]]
""",
    ("tlkit.training.optimizer", "schedule"): """
>>> [round(schedule(step, 20), 2) for step in (0, 1, 2, 11, 19)]
[0.5, 1.0, 1.0, 0.5, 0.01]
""",
    ("tlkit.training.precise_batch_norm", "find_norm_layers"): """
>>> find_norm_layers(["body.stem.0.weight", "body.stem.1.running_mean", "body.stem.1.running_var"])
['body.stem.1']
""",
    ("tlkit.training.step", "split_batch"): """
>>> [len(part) for part in split_batch(np.arange(9), 4)]
[3, 3, 3]
""",
    ("tlkit.widgets.jobs", "Job"): """
>>> Job(lambda job: 6 * 7).wait()
42
""",
}


@pytest.mark.parametrize(("module", "name"), EXAMPLES)
def test_example_of_an_internal_function(module, name):
    names = vars(importlib.import_module(module)) | {"np": np, "pd": pd, "tl": tl}
    test = doctest.DocTestParser().get_doctest(EXAMPLES[module, name], names, name, module, 0)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    report = []
    runner.run(test, out=report.append)
    assert report == []
    assert runner.tries
