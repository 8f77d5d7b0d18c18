"""What a network sees of augmented pictures, as a gallery, and what each augmentation was worth."""

import numpy as np

from tlkit.plots.comparison import COLOURS, MARKERS
from tlkit.plots.page import Page
from tlkit.strategies.augmentation import check_policies, format_augment, split_policies
from tlkit.summaries.augmentation import augment_pictures, format_label

SIZE_INCHES = (10.4, 3.9)
_GAP = 0.06  # between pictures, in sides
_LINE = 0.17  # height of a line of a caption, in sides
# Of the explorer's page: where its second row of pictures begins, and where the captions below it end.
_SECOND_ROW = 1.22
_BOTTOM = _SECOND_ROW + 1 + 2 * _LINE
_VERDICT_STYLES = {"helps": 2, "harms": 1}  # green and orange of the palette; the words stand beside


def draw_augmentations(backbone, images, policies, ax, *, n_draws=6, seed=0):
    """Draw what a network sees: a row for each augmentation, a column for each draw, as in one epoch after another.

    Where pictures are mixed, the shares of the labels stand below.

    Arguments
    ---------
    backbone: Backbone
        Whose recipe is followed; what it is given is put back into colours.
    images: ImageSet
        A draw shows the first picture, the next one the second, and so on, and then from the first again.
    policies: list
        Each None, the name of a policy, or a list of names, as in `Phase`.
    ax: matplotlib axis
    n_draws: int
    seed: int

    Returns the axis. Raises ValueError for no pictures, no policies, and unknown ones.
    """
    from tlkit.training.batches import TrainingPictures

    if not len(images) or not len(policies):
        raise ValueError(f"images, policies: {len(images)} and {len(policies)}, expected at least one of each")
    pictures = TrainingPictures(images, backbone.recipe, seed)
    top = 0.0
    ticks = []
    for augment in map(check_policies, policies):
        captions = []
        for draw in range(n_draws):
            seen, shares = augment_pictures(pictures, augment, draw)
            place = draw % len(images)
            _draw_picture(seen[place], ax, draw * (1 + _GAP), top)
            captions.append(format_label(shares[place], images.classes) if split_policies(augment)[1] else "")
        ticks.append((top + 0.5, format_augment(augment).replace("_", " ")))
        top = _draw_captions(captions, ax, top)
    _finish_gallery(ax, n_draws, top)
    ax.set_yticks(*zip(*ticks, strict=True))
    return ax


def draw_ablation(comparison, ax):
    """Draw what each strategy of a comparison gains over its baseline, with the 95 % interval and the verdict.

    Arguments
    ---------
    comparison: Comparison
        At one number of shots.
    ax: matplotlib axis

    Returns the axis. Raises ValueError for several numbers of shots.
    """
    table = comparison.table
    if table["shots"].nunique() != 1:
        raise ValueError(f"comparison: {table['shots'].nunique()} numbers of shots, expected one to draw the gains at")
    rows = table[table["strategy"] != comparison.baseline]
    for place, row in enumerate(rows.itertuples()):
        style = _VERDICT_STYLES.get(row.verdict, 6)
        ends = np.nan_to_num([[row.gain - row.gain_low], [row.gain_high - row.gain]])
        marks = {"color": COLOURS[style], "marker": MARKERS[style], "capsize": 4, "linestyle": "none"}
        ax.errorbar([row.gain], [place], xerr=ends, **marks)
    ax.margins(x=0.1)
    left, right = ax.get_xlim()
    for place, row in enumerate(rows.itertuples()):
        # Words near an edge run inwards, where there is room.
        share = (row.gain - left) / (right - left)
        side = "left" if share < 0.3 else "right" if share > 0.7 else "center"
        ax.annotate(row.verdict, (row.gain, place), (0, 6), textcoords="offset points", ha=side, fontsize=8)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_yticks(range(len(rows)), [_name_arm(name) for name in rows["strategy"]])
    ax.set_ylim(len(rows) - 0.5, -0.8)
    ax.set_xlabel(f"gain in accuracy over {_name_arm(comparison.baseline)}")
    ax.grid(axis="x", alpha=0.3)
    return ax


class AugmentationPage(Page):
    """Pictures as they are, above what the network sees of them, beside the ablation; made again and again.

    Arguments
    ---------
    comparison: Comparison
    n_pictures: int
    """

    def __init__(self, comparison, n_pictures):
        arms = comparison.table["strategy"][comparison.table["strategy"] != comparison.baseline].tolist()

        def draw_what_stays(figure):
            gallery, ablation = figure.add_axes((0.01, 0.02, 0.6, 0.9)), figure.add_axes((0.745, 0.14, 0.245, 0.78))
            _finish_gallery(gallery, n_pictures, _BOTTOM)
            ablation.set_title(f"{comparison.table['shots'].iloc[0]} shots", fontsize=10)
            return gallery, draw_ablation(comparison, ablation)

        def draw_what_changes(summary, axes):
            gallery, ablation = axes
            for top, squares, captions in (
                (0.0, summary.plain, None),
                (_SECOND_ROW, summary.augmented, summary.captions),
            ):
                for place, square in enumerate(squares):
                    _draw_picture(square, gallery, place * (1 + _GAP), top)
                if captions:
                    _draw_captions(captions, gallery, top)
            _finish_gallery(gallery, n_pictures, _BOTTOM)  # each picture has moved the limits
            policy = summary.choice.policy.replace("_", " ")
            said = {0.0: "as they are", _SECOND_ROW: f"{policy}, draw {summary.choice.draw}"}
            for top, text in said.items():
                gallery.text(0, top - 0.05, text, fontsize=9, va="bottom")
            if summary.strategy in arms:
                place = arms.index(summary.strategy)
                ablation.axhspan(place - 0.62, place + 0.38, color=COLOURS[5], alpha=0.25, zorder=0)

        super().__init__(SIZE_INCHES, draw_what_stays, draw_what_changes)


def _name_arm(strategy):
    """Return what tells an arm from the others: of "lp_ft + crop" the policies."""
    return (strategy.partition(" + ")[2] or strategy).replace("_", " ")


def _draw_picture(square, ax, left, top):
    ax.imshow(square, extent=(left, left + 1, top + 1, top), interpolation="nearest")


def _draw_captions(captions, ax, top):
    """Write captions below a row of pictures; returns where the next row begins."""
    for place, caption in enumerate(captions):
        middle = place * (1 + _GAP) + 0.5
        ax.text(middle, top + 1.02, caption, fontsize=7.5, ha="center", va="top", linespacing=1.0)
    n_lines = max(caption.count("\n") + bool(caption) for caption in captions)
    return top + 1 + _GAP + n_lines * _LINE


def _finish_gallery(ax, n_columns, bottom):
    ax.set(xlim=(0, n_columns * (1 + _GAP) - _GAP), ylim=(bottom, -0.2), xticks=[], aspect="equal")
    ax.set_yticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
