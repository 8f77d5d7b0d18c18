"""The known strategies by name, each a list of phases, with its paper."""

import dataclasses
import functools
import importlib

from tlkit.arguments import suggest
from tlkit.strategies import phase_schedules as schedules
from tlkit.strategies.penalties import l2_sp
from tlkit.strategies.strategy import Phase, Strategy


@dataclasses.dataclass(frozen=True)
class Step:
    """A function of a module in `tlkit.training`, imported when it is called."""

    module: str
    __name__: str  # as functions have it: descriptions and drawings show it

    def __call__(self, *arguments, **settings):
        """Call the function."""
        module = importlib.import_module(f"tlkit.training.{self.module}")
        return getattr(module, self.__name__)(*arguments, **settings)


# Number of epochs of fine-tuning; training from scratch gets five times as many steps.
N_EPOCHS = 6
_HEAD = Phase(["head"], None)

# The head is new and has further to move than the pretrained stages below it.
_TUNE = Phase(["all", "head"], N_EPOCHS, {"all": 2e-4, "head": 2e-3})
_TUNE_AFTER_PROBE = Phase(["all"], N_EPOCHS, 2e-4)
_SCRATCH = Phase(["all"], 5 * N_EPOCHS, 3e-3, augment="crop", norm_statistics="moving")
_AROUND_SCRATCH = [Step("precise_batch_norm", name) for name in ("reinitialise", "finish_norm_statistics")]
_AROUND_SCRATCH.append(functools.partial(schedules.lower_rates_for_texts, factor=1 / 30))


@dataclasses.dataclass(frozen=True)
class Known:
    """A strategy of the catalogue, with its paper and its expected effect."""

    strategy: Strategy
    paper: str
    expect: str


class Catalogue:
    """Hold known strategies by name; `tlkit.strategies` and `tlkit.adaptation` offer the methods of one each.

    Parameters
    ----------
    argument : str
        What messages call a strategy, "strategy" or "method".
    known : list of Known
        Strategies with names of their own, their papers and their expected effects.

    Examples
    --------
    >>> Catalogue("strategy", [tl.strategies.find("lp_ft")]).names()
    ['lp_ft']
    """

    def __init__(self, argument: str, known: list | tuple):
        self._argument, self._known = argument, {one.strategy.name: one for one in known}

    def names(self) -> list[str]:
        """Return the names of the known strategies.

        Returns
        -------
        list of str
            Names that `get` and `find` accept, as do `transfer` and `compare`, or `adapt` and `compare_pairs`.

        Examples
        --------
        >>> tl.strategies.names()[:3], tl.adaptation.names()[:2]
        (['from_scratch', 'linear_probe', 'fine_tune'], ['source_only', 'source_only_tuned'])
        """
        return list(self._known)

    def get(self, strategy: str | Strategy) -> Strategy:
        """Return the strategy with a name.

        Parameters
        ----------
        strategy : str or Strategy
            Name; a `Strategy` is returned as it is.

        Returns
        -------
        Strategy
            The known strategy, or the one given. Unknown names raise as in `find`.

        Examples
        --------
        >>> tl.strategies.get("lp_ft").phases[0].train, tl.adaptation.get("dann").phases[-1].objective
        (('head',), Dann(loss_weight=0.1, n_hidden=128))
        """
        return strategy if isinstance(strategy, Strategy) else self.find(strategy).strategy

    def find(self, name: str) -> Known:
        """Return the entry of a strategy, with its paper and its expected effect.

        Parameters
        ----------
        name : str
            Name of a known strategy.

        Returns
        -------
        Known
            The entry:

            - strategy (Strategy): its phases;
            - paper (str): where it comes from, and our departures;
            - expect (str): when it works well, and its cost.

        Raises
        ------
        ValueError
            If the name is unknown; the message lists the nearest names.

        Examples
        --------
        >>> tl.strategies.find("lp_ft").expect
        'keeps more of the pretrained features than fine-tuning from a random head'
        >>> tl.adaptation.find("coral").paper
        'Sun, Feng and Saenko 2016 (Return of frustratingly easy domain adaptation)'
        """
        if not isinstance(name, str) or name not in self._known:
            expected = f"expected a Strategy or the name of one; {suggest(name, self._known)}"
            raise ValueError(f"{self._argument}: {name!r}, {expected}")
        return self._known[name]


_SURGICAL = (
    "Lee et al. 2023 (Surgical fine-tuning improves adaptation to distribution shifts); here a third of the stages, "
    "with the head, which is new and solved first"
)

_KNOWN = [
    Known(
        Strategy([_SCRATCH], *_AROUND_SCRATCH, name="from_scratch"),
        "the baseline; five times the steps of fine-tuning, since Kornblith et al. 2019 (Do better ImageNet models "
        "transfer better?) also train it for longer",
        "needs many pictures; with a few per class it learns little",
    ),
    Known(
        Strategy([_HEAD], name="linear_probe"),
        "Alain and Bengio 2016 (Understanding intermediate layers using linear classifier probes)",
        "fast and hard to beat with few pictures; limited by the information in the frozen features",
    ),
    Known(
        Strategy([_TUNE], name="fine_tune"),
        "Yosinski et al. 2014 (How transferable are features in deep neural networks?); here with frozen norm layers",
        "best with many pictures; with few pictures, forgetting can outweigh learning",
    ),
    Known(
        Strategy([Phase([-2, -1, "head"], N_EPOCHS, {-2: 2e-4, -1: 2e-4, "head": 2e-3})], name="last_2_stages"),
        "Yosinski et al. 2014 (How transferable are features in deep neural networks?), who freeze the first k layers",
        "cheaper than fine-tuning, since the frozen prefix is computed once; gains less if edges and textures are new",
    ),
    Known(
        Strategy(
            [_HEAD, _TUNE_AFTER_PROBE],
            adjust=functools.partial(schedules.unfreeze_gradually, n_parts=4),
            name="gradual",
        ),
        "Howard and Ruder 2018 (Universal language model fine-tuning for text classification); here the head is solved "
        "and stages are unfrozen in four parts instead of one by one",
        "similar to lp_ft with half as many epochs again; made for networks that forget fast, for example with moving "
        "norm statistics",
    ),
    Known(
        Strategy(
            [Phase(["all"], N_EPOCHS, 2e-3)],
            adjust=functools.partial(schedules.decay_by_stage, decay=schedules.DISCRIMINATIVE),
            name="discriminative",
        ),
        "Howard and Ruder 2018 (Universal language model fine-tuning for text classification), here by stage",
        "the first stages hardly move, so it mostly trains the last stages and forgets little",
    ),
    Known(
        Strategy(
            [Phase(["all", "head"], N_EPOCHS, {"all": 3e-4, "head": 2e-3})],
            adjust=functools.partial(schedules.decay_by_stage, decay=schedules.LAYER_DECAY),
            name="layer_decay",
        ),
        "Clark et al. 2020 (ELECTRA) and Bao et al. 2022 (BEiT), here by stage",
        "between fine_tune and discriminative; common for vision transformers",
    ),
    Known(
        Strategy([_HEAD, _TUNE_AFTER_PROBE], name="lp_ft"),
        "Kumar et al. 2022 (Fine-tuning can distort pretrained features and underperform out-of-distribution)",
        "keeps more of the pretrained features than fine-tuning from a random head",
    ),
    Known(
        Strategy([dataclasses.replace(_TUNE, penalty=functools.partial(l2_sp, penalty_weight=0.1))], name="l2_sp"),
        "Li, Grandvalet and Davoine 2018 (Explicit inductive bias for transfer learning with convolutional networks); "
        "the head is not pulled",
        "stays closer to the pretrained weights than fine-tuning; if the learning rate is small, so is the difference",
    ),
    Known(
        Strategy([_HEAD, Phase(["bias", "head"], N_EPOCHS, {"bias": 2e-3, "head": 2e-4})], name="bitfit"),
        "Ben Zaken, Ravfogel and Goldberg 2022 (BitFit: simple parameter-efficient fine-tuning for transformer-based "
        "masked language-models); the head is solved first",
        "trains under 1 % of the parameters, so little is stored per task; saves hardly any time",
    ),
    Known(
        Strategy([_HEAD, Phase(["norm", "head"], N_EPOCHS, {"norm": 2e-3, "head": 2e-4})], name="norm_only"),
        "Frankle, Schwab and Morcos 2021 (Training BatchNorm and only BatchNorm), who use random weights; here the "
        "weights are pretrained and the head is solved first",
        "trains under 2 % of the parameters and often gets most of the gain; saves hardly any time",
    ),
    Known(
        Strategy(
            [_HEAD, Phase(["adapter", "head"], N_EPOCHS, 1e-3)],
            functools.partial(Step("lora", "insert_lora"), rank=4, scale=1.0),
            Step("lora", "merge_lora"),
            name="lora",
        ),
        "Hu et al. 2022 (LoRA: low-rank adaptation of large language models); here also in convolutions, with the head "
        "solved first",
        "trains and stores a few percent of the network; takes about as long as fine-tuning",
    ),
    *(
        Known(
            Strategy(
                [_HEAD, _TUNE_AFTER_PROBE],
                adjust=functools.partial(schedules.tune_block, block=block),
                name=f"surgical_{block}",
            ),
            _SURGICAL,
            expect,
        )
        for block, expect in (
            ("first", "for pictures with unfamiliar edges and textures; not enough if the classes are new"),
            ("middle", "for shifts in between; of the three the least often best"),
            ("last", "for new classes in pictures that look familiar; the cheapest of the three"),
        )
    ),
    Known(
        Strategy(
            [_HEAD, _TUNE_AFTER_PROBE],
            finish=functools.partial(Step("wise_ft", "interpolate_with_parent"), mixing_coefficient=0.5),
            name="wise_ft",
        ),
        "Wortsman et al. 2022 (Robust fine-tuning of zero-shot models); the parent is the linear probe",
        "between linear_probe and lp_ft within the domain, and often better than both outside it",
    ),
    Known(
        Strategy([_HEAD, _TUNE_AFTER_PROBE], adjust=schedules.set_length_by_size, name="by_size"),
        "Kolesnikov et al. 2020 (Big Transfer: general visual representation learning), whose rule sets the number of "
        "steps by the number of pictures; ours solves the head first, uses 4,000 pictures in 6 to 12 epochs, and keeps "
        "the rate, schedule and picture size of the other strategies, without MixUp",
        "a default without settings: lp_ft, for longer if there are few pictures",
    ),
]
_CATALOGUE = Catalogue("strategy", _KNOWN)
names, get, find = _CATALOGUE.names, _CATALOGUE.get, _CATALOGUE.find
