"""The adaptation methods that only solve a head on frozen features, by name. Without torch.

To add an alignment, write `align_<name>` in `alignment` and add a row here.
"""

from tlkit.adaptation.solved_objectives import Align, Reweigh

_CORAL = "Sun, Feng and Saenko 2016 (Return of frustratingly easy domain adaptation)"

# For each name: the objective, its paper, and the result to expect.
SOLVED = {
    "source_only": (
        Align("none"),
        "the baseline: a linear probe of the source that never sees the target",
        "its loss from source to target is what adaptation can win back",
    ),
    "align_mean": (
        Align("mean"),
        f"only the first moment of {_CORAL}",
        "seconds; enough if domains differ by a shift, for example in brightness",
    ),
    "align_scale": (
        Align("scale"),
        "the mean and standard deviation of each feature, equivalent to standardising each domain by itself",
        "seconds; most of CORAL's gain, and more robust if pictures are few",
    ),
    "coral": (Align("coral"), _CORAL, "seconds, and hard to beat without training the network"),
    "subspace": (
        Align("subspace"),
        "Fernando et al. 2013 (Unsupervised visual domain adaptation using subspace alignment)",
        "for few pictures with many features, most of them noise",
    ),
    "transport": (
        Align("transport"),
        "Courty et al. 2017 (Optimal transport for domain adaptation)",
        "moves pictures one by one, and so assumes equal class shares in both domains",
    ),
    "importance": (
        Reweigh(),
        "Shimodaira 2000 (Improving predictive inference under covariate shift by weighting the log-likelihood "
        "function)",
        "helps only if the source contains pictures that resemble the target's; these then count more",
    ),
    "priors": (
        Align("none", priors="em"),
        "Saerens, Latinne and Decaestecker 2002 (Adjusting the outputs of a classifier to new a priori probabilities)",
        "helps only if class shares differ and the pictures look the same; otherwise the estimate misleads",
    ),
    # Chosen on pairs of photo, clipart, emoji and sketch; each target's setting by the pairs with other targets.
    "coral_self_training": (
        Align("coral", alignment_parameter=0.8, std_offset=0.3, balance=True, l2_penalty=300.0, n_rounds=3),
        f"{_CORAL}, then rounds of self-training on the most confident pictures of the target, as in Lee 2013 "
        "(Pseudo-label)",
        "the best method on the bundled domains that trains no network; confident mistakes stay",
    ),
}
METHODS = {name: objective for name, (objective, _paper, _expect) in SOLVED.items()}
