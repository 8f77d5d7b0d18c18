"""Augmented pictures as the network sees them, as a gallery, and the gain of each augmentation."""

from matplotlib.axes import Axes

import tlkit as tl
from tlkit.comparison.compare import Comparison
from tlkit.images.imageset import ImageSet, check_images
from tlkit.plots.gains import format_gain
from tlkit.plots.style import finish_rows, hide_frame, measure_error_bars, shorten, style_point, with_plain_texts
from tlkit.plots.vector import Page, mark
from tlkit.strategies.augmentation import check_policies, format_augment, split_policies
from tlkit.summaries.augmentation import augment_pictures, format_label

SIZE_INCHES = (9.2, 6.4)
_GAP = 0.06  # between pictures, as a share of their side
_LINE = 0.17  # height of one line of a caption, as a share of a side
_N_LETTERS = 20  # of a line of a caption
# Of the explorer's page: the top of the second row of pictures, and the bottom of its captions.
_SECOND_ROW = 1.22
_BOTTOM = _SECOND_ROW + 1 + 2 * _LINE
_VERDICT_STYLES = {"helps": 2, "harms": 1}  # green and orange of the palette; the verdict is written next to it


@with_plain_texts
def draw_augmentations(
    backbone: "tl.Backbone",
    images: ImageSet,
    policies: list | tuple,
    ax: Axes,
    *,
    n_draws: int = 6,
    seed: int = 0,
) -> Axes:
    """Draw augmented pictures as the network sees them: one row per augmentation, one column per draw.

    A draw is one epoch. If pictures are mixed, the shares of their labels are written below.

    Parameters
    ----------
    backbone : Backbone
        Network whose preprocessing is used; its input is converted back to colours.
    images : ImageSet
        Pictures; draw 0 shows the first, draw 1 the second, and so on, starting again after the last.
    policies, ax : list and matplotlib Axes
        Augmentations (each None, the name of a policy, or a list of names, as in `Phase`), and the axes to draw on.
    n_draws, seed : int
        Number of draws, and their seed.

    Raises
    ------
    ValueError
        If there are no pictures or no policies, or a policy is unknown.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(1)
    >>> backbone = tl.load_backbone("squeezenet1_1", weights=None, image_size_px=32)
    >>> ax = draw_augmentations(backbone, images, [None, ["crop", "mixup"]], Figure().subplots(), n_draws=2)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['none', 'crop + mixup']
    """
    from tlkit.training.batches import TrainingPictures

    check_images("images", images, "picture")
    if not len(images) or not len(policies):
        raise ValueError(f"images, policies: {len(images)} and {len(policies)}, expected at least one of each")
    pictures = TrainingPictures(images, backbone.recipe, seed)
    top, ticks = 0.0, []
    for augment in map(check_policies, policies):
        captions = []
        for draw in range(n_draws):
            augmented, shares = augment_pictures(pictures, augment, draw)
            index = draw % len(images)
            _draw_picture(augmented[index], ax, draw, top)
            captions.append(format_label(shares[index], images.classes) if split_policies(augment)[1] else "")
        ticks.append((top + 0.5, format_augment(augment).replace("_", " ")))
        top = _draw_captions(captions, ax, top)
    _finish_gallery(ax, n_draws, top)
    ax.set_yticks(*zip(*ticks, strict=True))
    return ax


@with_plain_texts
def draw_ablation(comparison: Comparison, ax: Axes) -> Axes:
    """Draw the gain of each strategy over the baseline, with its 95 % interval and its verdict.

    Parameters
    ----------
    comparison, ax : Comparison and matplotlib Axes
        Result of `tlkit.compare` at one number of shots (ValueError if there are several), and the axes to draw on.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> images = tl.load_images("styles", domain="clipart").select(classes=["bird", "bug"]).few(5)
    >>> backbone = tl.load_backbone("squeezenet1_1", weights=None, image_size_px=32)
    >>> ablation = tl.compare(backbone, images, [tl.Probe("ridge"), tl.Probe("knn")], shots=1, seeds=2, progress=False)
    >>> draw_ablation(ablation, Figure().subplots()).get_xlabel().startswith("gain in accuracy over")
    True
    """
    table = comparison.table
    if table["shots"].nunique() != 1:
        raise ValueError(f"comparison: {table['shots'].nunique()} numbers of shots, expected one to draw the gains at")
    rows = table[table["strategy"] != comparison.baseline]
    for index, row in enumerate(rows.itertuples()):
        lengths = measure_error_bars([row.gain], [row.gain_low], [row.gain_high])
        style = style_point(_VERDICT_STYLES.get(row.verdict, 6)) | {"capsize": 4, "linestyle": "none", "markersize": 8}
        point = ax.errorbar([row.gain], [index], xerr=lengths, **style)[0]
        # Its place is that of its policy among all policies.
        place = table["strategy"].tolist().index(row.strategy)
        mark(point, "point", place, words=f"{_name_arm(row.strategy)}: {format_gain(row)}")
    ax.margins(x=0.1)
    left, right = ax.get_xlim()
    for index, row in enumerate(rows.itertuples()):
        # Text near an edge is aligned inwards.
        share = (row.gain - left) / (right - left)
        side = "left" if share < 0.3 else "right" if share > 0.7 else "center"
        ax.annotate(row.verdict, (row.gain, index), (0, 7), textcoords="offset points", ha=side, fontsize=9)
    ax.axvline(0, color="black", linewidth=0.8, zorder=0)
    names, baseline = [_name_arm(name) for name in rows["strategy"]], _name_arm(comparison.baseline)
    finish_rows(ax, names, f"gain in accuracy over {baseline}", top=-0.8)
    return ax


def make_augmentation_page(comparison, n_pictures):
    """Return the page that draws original pictures above augmented ones, above the ablation."""
    arms = comparison.table["strategy"][comparison.table["strategy"] != comparison.baseline].tolist()

    def draw_static(figure):
        gallery, ablation = figure.add_axes((0.01, 0.4, 0.98, 0.6)), figure.add_axes((0.2, 0.08, 0.78, 0.27))
        _finish_gallery(gallery, n_pictures, _BOTTOM)
        gallery.set_anchor("NW")
        shots = comparison.table["shots"].iloc[0]
        ablation.set_title(f"gain with its 95 % interval, {shots} training pictures per class", fontsize=10)
        return gallery, draw_ablation(comparison, ablation)

    def draw_dynamic(summary, axes):
        gallery, ablation = axes
        drawn = f"{summary.choice.policy.replace('_', ' ')}, draw {summary.choice.draw}"
        mixed = [f"{drawn}: {', '.join(caption.splitlines())}" for caption in summary.captions]
        rows = (
            (0.0, "original pictures, as the network sees them", summary.plain, summary.names),
            (_SECOND_ROW, f"the same pictures augmented: {drawn}", summary.augmented, mixed),
        )
        for top, heading, pictures, words in rows:
            gallery.text(0, top - 0.05, heading, fontsize=10, va="bottom")
            for column, picture in enumerate(pictures):
                mark(_draw_picture(picture, gallery, column, top), "picture", words=words[column])
        _draw_captions(summary.captions, gallery, _SECOND_ROW)
        _finish_gallery(gallery, n_pictures, _BOTTOM)  # each picture has moved the limits
        if summary.strategy in arms:
            row = arms.index(summary.strategy)
            ablation.axhspan(row - 0.7, row + 0.3, facecolor="none", edgecolor="black", linewidth=1.8)

    return Page(SIZE_INCHES, draw_static, draw_dynamic)


def _name_arm(strategy):
    """Return the policies of an arm's name: "crop" of "lp_ft + crop"."""
    return (strategy.partition(" + ")[2] or strategy).replace("_", " ")


def _draw_picture(picture, ax, column, top):
    """Draw a (side, side, 3) picture in a column of the gallery; return its artist."""
    left = column * (1 + _GAP)
    return ax.imshow(picture, extent=(left, left + 1, top + 1, top), interpolation="none")


def _draw_captions(captions, ax, top):
    """Write captions below a row of pictures; return the top of the next row."""
    for column, caption in enumerate(captions):
        middle = column * (1 + _GAP) + 0.5
        caption = "\n".join(shorten(line, _N_LETTERS) for line in caption.splitlines())
        ax.text(middle, top + 1.02, caption, fontsize=9, ha="center", va="top", linespacing=1.0)
    n_lines = max(caption.count("\n") + bool(caption) for caption in captions)
    return top + 1 + _GAP + n_lines * _LINE


def _finish_gallery(ax, n_columns, bottom):
    """Set the limits of the gallery, without ticks and frame."""
    ax.set(xlim=(0, n_columns * (1 + _GAP) - _GAP), ylim=(bottom, -0.2), xticks=[], aspect="equal")
    ax.set_yticks([])
    hide_frame(ax)
