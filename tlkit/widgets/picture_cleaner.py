"""Mistakes, suspected label errors and near duplicates in one list, to relabel, drop or keep: the `PictureCleaner`."""

from pathlib import Path, PurePosixPath

import numpy as np

import tlkit as tl
from tlkit.features.extract import extract_features
from tlkit.images.files import PictureFile
from tlkit.images.imageset import ImageSet, check_images
from tlkit.inspection.label_errors import find_label_errors
from tlkit.inspection.near_duplicates import find_near_duplicates
from tlkit.widgets.jobs import Job
from tlkit.widgets.picture_labeler import PictureLabeler


class PictureCleaner(PictureLabeler):
    """Go through the suspicious pictures of a folder; each edit is appended to `labels.csv` in the folder at once.

    The list has pictures that the run classifies wrongly, suspected label errors (`tl.inspection.find_label_errors` on
    the features of its backbone), and near duplicates (`find_near_duplicates`); pictures with several reasons come
    first. Near duplicates that are kept get one group. The pictures themselves are never changed.

    Parameters
    ----------
    run : Run
        A trained run. On pictures that it was trained on, it makes few mistakes.
    images : ImageSet
        Pictures that `load_images` found in a folder, or some of them.

    Raises
    ------
    TypeError or ValueError
        If `images` is no ImageSet, or its pictures come from a zip, a table, or several folders.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> for picture, label in tl.load_images("styles", domain="photo").few(1):
    ...     (folder / f"{label}").mkdir()
    ...     picture.save(folder / f"{label}/0.png")
    >>> images = tl.load_images(folder)
    >>> backbone = tl.load_backbone("resnet18", weights=None, image_size_px=32)
    >>> run = tl.transfer(backbone, images, "linear_probe", progress=False)
    >>> tl.widgets.PictureCleaner(run, images).wait()
    PictureCleaner(0 of 0 suspects open, 0 dropped)
    """

    def __init__(self, run: "tl.Run", images: ImageSet):
        check_images("images", images, "picture")
        folder, files = _find_folder(images)
        labels = [images.classes[label] for label in images.labels]
        self._run, self._images = run, images
        self._begin(folder, files, labels, images.classes, cleaning=True)
        with self._lock:  # or a search that ends at once would be taken for one that goes on
            self._job = Job(self._search)

    def _describe(self):
        """Return the number of suspects in words."""
        n_open = sum(self.reviews[index] == "-" for index in self.order)
        return f"{n_open} of {len(self.order)} suspects open, {self.reviews.count('1')} dropped"

    def _search(self, _job):
        """Find the suspects and show them."""
        self.progress = "Looking for mistakes, label errors and near duplicates …"
        try:
            self._show_suspects()
        except Exception as error:  # shown, since it would end in a log that nobody reads
            self.progress = f"The search failed: {type(error).__name__}: {error}"
        with self._lock:
            self._job = None

    def _show_suspects(self):
        """Show the suspects among the pictures that aren't dropped, by the labels that they have now."""
        rows = np.flatnonzero([review != "1" for review in self.reviews])
        images = self._images._replace(labels=self.marks, classes=self.classes)[rows]
        given = np.array(images.classes)[images.labels]
        found = {}  # {index: [(score, reason, index of the suggested class, index of the near duplicate)]}
        known = {name: place for place, name in enumerate(self.classes)}

        def add(place, score, reason, suggested="", twin=-1):
            found.setdefault(int(rows[place]), []).append((float(score), reason, known.get(suggested, -1), int(twin)))

        probabilities = self._run.predict(images)
        predicted = np.array(self._run.classes)[probabilities.argmax(axis=1)]
        for place in np.flatnonzero(predicted != given):
            share = probabilities[place].max()
            add(place, share, f"Mistake: {predicted[place]} predicted with {share:.0%}.", predicted[place])
        trouble, places = "", {name: place for place, name in enumerate(images.names)}
        try:
            table = find_label_errors(extract_features(self._run.backbone, images, progress=False))
            for row in table[table["confident"]].itertuples():
                reason = f"Suspected label error: {row.suggested} with {row.suggested_probability:.0%}."
                add(places[row.picture], 1 - row.probability, reason, row.suggested)
        except ValueError as error:  # too few pictures for cross-validation
            trouble = f" Label errors could not be looked for: {error}"
        for pair in find_near_duplicates(images).itertuples():
            for place, twin in ((pair.first, pair.second), (pair.second, pair.first)):
                name = self.names[rows[twin]]
                reason = f"Near duplicate (similarity {pair.similarity:.2f}) of {name}: {given[twin]}."
                add(place, pair.similarity, reason, twin=rows[twin])
        with self._lock, self.hold_sync():
            self.order = sorted(found, key=lambda index: (-len(found[index]), -max(found[index])[0], index))
            suggested = {index: place for index, reasons in found.items() for _, _, place, _ in reasons if place >= 0}
            self.suggested = [suggested.get(index, -1) for index in range(len(self.names))]
            words = {index: " ".join(reason for _, reason, _, _ in reasons) for index, reasons in found.items()}
            self.notes = {index: [words[index], max(twin for *_, twin in found[index])] for index in found}
            self.progress = f"{len(found)} suspects among {len(rows)} pictures.{trouble}"
        self._show()


def _find_folder(images):
    """Return (folder, {path within it: file}) of pictures that `load_images` found in one folder."""
    files, folders = {}, set()
    for picture, name, domain in zip(images.pictures, images.names, images.domains, strict=True):
        inner = str(name).removeprefix(f"{domain}/")
        if not isinstance(picture, PictureFile) or not picture.location.endswith(f"/{inner}"):
            raise ValueError(
                f"images: {name} was not loaded from a folder, beside which labels.csv could be written: save the "
                "pictures in class folders, and take tl.load_images(folder)"
            )
        files[inner] = picture
        folders.add(Path(picture.path).parents[len(PurePosixPath(inner).parts) - 1])
    if len(folders) != 1:
        raise ValueError(f"images: from {len(folders)} folders, expected one: clean the pictures of one at a time")
    return *folders, files
