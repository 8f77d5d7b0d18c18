"""What a comparison runs: an arm on a split, trained or solved, with its costs. Without torch until it runs."""

from tlkit.cpu.measure import measured
from tlkit.evaluation.scores import evaluate_probabilities

HAND_MADE = "hand_made"


class ArmRunner:
    """Runs one arm on one split; what all arms share is computed once, by `extract`.

    Arguments
    ---------
    backbone: Backbone
    arms: dict
        As `check_arms` returns it.

    `probes` has for each arm the `Probe` that it amounts to, which needs no training; None where it has to be trained.
    """

    def __init__(self, backbone, arms):
        self.backbone, self.arms = backbone, arms
        self.probes = {name: _find_probe(arm) for name, arm in arms.items()}
        self.features, self.places = {}, {}

    def extract(self, images, progress, *, of_networks=False):
        """Compute the features of all pictures that arms ask for; with `of_networks` no others."""
        self.places = {name: place for place, name in enumerate(images.names)}
        for name, probe in self.probes.items():
            if probe and self._find_source(name) not in self.features and not (of_networks and name == HAND_MADE):
                self.features[self._find_source(name)] = self._extract(name, images, progress)
        if any(_solves_head(arm) for name, arm in self.arms.items() if not self.probes[name]):
            # All pictures in one go: the runs then find their features on the disk.
            _extract_features(self.backbone, images, progress)

    def __call__(self, name, few, test, seed):
        """Return (Evaluation, costs) of an arm trained on some pictures and tested on others; costs is a dict."""
        return self._probe(name, few, test, seed) if self.probes[name] else self._train(name, few, test, seed)

    def _probe(self, name, few, test, seed):
        from tlkit.heads import fit_head

        probe, features = self.probes[name], self.features[self._find_source(name)]
        with measured() as measurement:
            head = fit_head(self._look_up(features, few), probe.kind, seed=seed, **probe.settings)
            evaluation = evaluate_probabilities(head.predict(self._look_up(features, test).values), test)
        costs = {"duration_s": measurement.duration_s, "peak_memory_mib": measurement.peak_memory_mib}
        return evaluation, {"n_steps": 0} | costs

    def _train(self, name, few, test, seed):
        from tlkit.training.transfer import transfer

        run = transfer(self.backbone, few, self.arms[name], seed=seed, progress=False)
        if not run.completed:
            raise KeyboardInterrupt
        costs = {name: getattr(run, name) for name in ("n_steps", "duration_s", "peak_memory_mib")}
        return run.evaluate(test), costs

    def _look_up(self, features, images):
        return features[[self.places[name] for name in images.names]]

    def _find_source(self, name):
        # What decides an arm's features; arms that have it in common share them.
        if name == HAND_MADE:
            return HAND_MADE
        probe = self.probes[name]
        return probe.resolve(self.backbone), probe.pooled

    def _extract(self, name, images, progress):
        if name == HAND_MADE:
            from tlkit.features.hand_made import extract_hand_made

            return extract_hand_made(images, self.backbone.image_size_px)
        stage, pooled = self._find_source(name)
        return _extract_features(self.backbone, images, progress, stage=stage, pooled=pooled)


def _extract_features(backbone, images, progress, **output):
    from tlkit.features.extract import extract_features

    return extract_features(backbone, images, progress=progress, **output)


def _find_probe(arm):
    """Return the `Probe` that an arm amounts to, which needs no training; None where it has to be trained."""
    from tlkit.strategies.probe import Probe

    if arm == HAND_MADE:
        return Probe("ridge", name=HAND_MADE)
    if isinstance(arm, Probe):
        return arm
    solved = all(phase.n_epochs is None and phase.objective is None for phase in arm.phases)
    return Probe("logistic", name=arm.name) if solved and not (arm.prepare or arm.finish) else None


def _solves_head(arm):
    """Say whether a strategy that trains asks for features of the backbone as it was given."""
    return not arm.prepare and arm.phases[0].n_epochs is None
