"""Labelled pictures that are read only when they are needed: the `ImageSet`."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlkit.arguments import check_known, check_shape, resolve_index
from tlkit.images.decode import decode_picture
from tlkit.images.splits import choose_test, draw_shots, find_straddling, join_groups, report_shortage
from tlkit.names import number_repeats

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from tlkit.images.description import Description

_COLUMNS = ("labels", "domains", "groups", "names", "roles", "titles", "origins", "authors", "licences", "folds")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Labelled pictures of one or more domains.

    `load_images` makes one. `images[3]` is a picture and its label, `images[rows]` a smaller set (`rows` is a slice,
    indices or a mask), and `a + b` the pictures of both sets with merged classes. A set never changes: its methods
    return new sets.

    Parameters
    ----------
    pictures : (n,) ndarray of object
        Location of each picture's bytes (see `tlkit.images.files`). Read pictures with `read`.
    labels : (n,) ndarray of int64
        Indices into `classes`.
    classes : list of str
        All class names. A class may have no pictures in this set.
    domains : (n,) ndarray of str
        Domain of each picture, for example "photo".
    groups : (n,) ndarray of str
        Pictures of one group, such as copies, always stay on the same side of a split.
    names : (n,) ndarray of str
        Unique names, for example "clipart/bird/0247.webp".
    roles : (n,) ndarray of str
        Role of each picture in a published set, for example "core".
    titles, origins, authors, licences : (n,) ndarray of str
        Title, source, author and licence of each picture.
    folds : (n,) ndarray of int64
        Published test fold of each picture, or -1.
    quarantine : list of (path, reason)
        Files that `load_images(..., bad="skip")` left out.
    attribution_text : str
        Attribution of a published set, in the words of its makers.

    Examples
    --------
    >>> import tlkit as tl
    >>> images = tl.load_images("styles", domain=["photo", "sketch"])
    >>> images.select(classes=["bird", "bug"])
    ImageSet(77 pictures, 2 of 14 classes, 76 groups: photo, sketch)
    >>> train, test = images.split()
    >>> set(train.groups) & set(test.groups)
    set()
    """

    pictures: np.ndarray
    labels: np.ndarray
    classes: list
    domains: np.ndarray
    groups: np.ndarray
    names: np.ndarray
    roles: np.ndarray
    titles: np.ndarray
    origins: np.ndarray
    authors: np.ndarray
    licences: np.ndarray
    folds: np.ndarray
    quarantine: list = ()
    attribution_text: str = ""

    def __post_init__(self):
        pictures = np.empty(len(self.pictures), dtype=object)
        pictures[:] = self.pictures
        object.__setattr__(self, "pictures", pictures)
        object.__setattr__(self, "classes", list(self.classes))
        object.__setattr__(self, "quarantine", list(self.quarantine))
        for name in _COLUMNS:
            kind = np.int64 if name in ("labels", "folds") else str
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=kind))
        wrong = self.labels[(self.labels < 0) | (self.labels >= len(self.classes))]
        if len(wrong):
            raise ValueError(f"labels: {wrong[0]}, expected class indices from 0 to {len(self.classes) - 1}")
        self._make_read_only()

    def _make_read_only(self):
        """Protect all columns against writing, after checking that they have one entry per picture."""
        for name in ("pictures", *_COLUMNS):
            values = getattr(self, name)
            check_shape(name, values, self.pictures.shape, f"one for each of {len(self)} pictures")
            values.flags.writeable = False

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._make_read_only()  # pickles don't keep that an array is read-only

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def shape(self) -> tuple[int]:
        """Number of pictures as (n,), so that scikit-learn can split the set like an array."""
        return self.pictures.shape

    def __repr__(self):
        present = len(np.unique(self.labels))
        classes = f"{present} classes" if present == len(self.classes) else f"{present} of {len(self.classes)} classes"
        domains = ", ".join(np.unique(self.domains)) or "no domain"
        return f"ImageSet({len(self)} pictures, {classes}, {len(np.unique(self.groups))} groups: {domains})"

    def __iter__(self) -> Iterator[tuple[Image.Image, int]]:
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index) -> tuple[Image.Image, int] | ImageSet:
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:  # scikit-learn's way to take rows
            index = index[0]
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            return self.read(index), int(self.labels[index])
        rows = resolve_index(index, len(self))
        return dataclasses.replace(self, **{name: getattr(self, name)[rows] for name in ("pictures", *_COLUMNS)})

    def __add__(self, other: ImageSet) -> ImageSet:
        if not isinstance(other, ImageSet):
            return NotImplemented
        classes = sorted({*self.classes, *other.classes})
        parts = [self.with_classes(classes), other.with_classes(classes)]
        merged = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("pictures", *_COLUMNS)}
        merged["names"] = number_repeats([*self.names, *other.names])
        texts = dict.fromkeys(filter(None, [self.attribution_text, other.attribution_text]))
        quarantine = list(dict.fromkeys([*self.quarantine, *other.quarantine]))
        return ImageSet(classes=classes, quarantine=quarantine, attribution_text="\n".join(texts), **merged)

    def with_classes(self, classes: Sequence[str]) -> ImageSet:
        """Return the same pictures labelled by another list of classes, so that two sets can share one list.

        Parameters
        ----------
        classes : list of str
            The new classes, in this order. It must contain each class that has pictures.

        Returns
        -------
        ImageSet
            The same pictures, with labels that are indices into the new list.

        Raises
        ------
        ValueError
            If a class is missing or occurs twice.
        """
        classes = check_known("classes", classes, classes)
        lookup = {name: label for label, name in enumerate(classes)}
        if len(lookup) != len(classes):
            raise ValueError(f"classes: {classes} names a class twice, expected each one once")
        present = [self.classes[label] for label in np.unique(self.labels)]
        if missing := [name for name in present if name not in lookup]:
            raise ValueError(
                f"classes: {classes} lacks {missing}, which have pictures: add them, or leave their pictures out with "
                "select(classes=…)"
            )
        new_labels = np.array([lookup.get(name, -1) for name in self.classes], dtype=np.int64)
        return dataclasses.replace(self, classes=classes, labels=new_labels[self.labels])

    def read(self, index: int) -> Image.Image:
        """Decode one picture.

        Parameters
        ----------
        index : int
            Index of the picture.

        Returns
        -------
        PIL.Image.Image
            The upright picture in mode "RGB".

        Raises
        ------
        PictureError
            If the picture is damaged or in an unknown format.
        """
        picture = self.pictures[index]
        return decode_picture(picture.read_bytes(), picture.location)

    def digest(self, index: int) -> str:
        """Return the SHA-256 of one picture's file.

        Parameters
        ----------
        index : int
            Index of the picture.

        Returns
        -------
        str
            64 hexadecimal digits. They are remembered until the file changes.
        """
        return self.pictures[index].digest()

    @property
    def content_hash(self) -> str:
        """SHA-256 of all pictures, labels and classes in their order, as 64 hexadecimal digits."""
        content = hashlib.sha256(repr(self.classes).encode())
        for index, label in enumerate(self.labels):
            content.update(f"{self.digest(index)} {label}\n".encode())
        return content.hexdigest()

    def select(
        self,
        classes: str | Sequence[str] | None = None,
        domain: str | Sequence[str] | None = None,
        role: str | Sequence[str] | None = None,
    ) -> ImageSet:
        """Return the pictures of some classes, domains and roles.

        Parameters
        ----------
        classes : str or list of str, optional
            Names of classes. By default all.
        domain : str or list of str, optional
            Names of domains. By default all.
        role : str or list of str, optional
            Names of roles. By default all.

        Returns
        -------
        ImageSet
            The selected pictures. The list of classes stays the same.

        Raises
        ------
        ValueError
            If the set has no such class, domain or role.
        """
        keep = np.ones(len(self), dtype=bool)
        names = np.array(self.classes)[self.labels] if len(self) else self.names
        for argument, wanted, values, known in (
            ("classes", classes, names, self.classes),
            ("domain", domain, self.domains, np.unique(self.domains).tolist()),
            ("role", role, self.roles, np.unique(self.roles).tolist()),
        ):
            if wanted is not None:
                keep &= np.isin(values, check_known(argument, wanted, known))
        return self[keep]

    def with_groups(self, groups: Sequence | str | Mapping | Callable[[str], object]) -> ImageSet:
        """Keep pictures together that share a patient, camera or photographer: splits never separate them.

        The groups are joined with those that the set has. For example, if two patients share a copy of a picture, all
        pictures of both form one group.

        Parameters
        ----------
        groups : list, str, dict or callable
            One group (str or int) per picture, a column of this set such as "authors", or a dict or function from the
            name of a picture to its group.

        Returns
        -------
        ImageSet
            The same pictures. If a group has pictures in several published folds, new folds are drawn by `split`.

        Raises
        ------
        TypeError, ValueError
            If groups are missing or of mixed types, or if all pictures are in one group.

        Examples
        --------
        >>> import tlkit as tl
        >>> images = tl.load_images("styles", domain="emoji")
        >>> images.with_groups(lambda name: name.split("/")[1])
        ImageSet(319 pictures, 14 classes, 14 groups: emoji)
        """
        if isinstance(groups, str):
            groups = getattr(self, *check_known("groups", groups, _COLUMNS))
        elif callable(groups) or isinstance(groups, Mapping):
            find = groups if callable(groups) else groups.get
            groups = [find(name) for name in self.names.tolist()]
        groups, folds = join_groups(self.groups, groups), self.folds
        if len(folds) and folds.min() >= 0 and find_straddling(groups, folds):
            warnings.warn("groups: some have pictures in several published folds, so new folds are drawn", stacklevel=2)
            folds = np.full(len(self), -1)
        return dataclasses.replace(self, groups=groups, folds=folds)

    def split(self, test_fold: int = 0, n_folds: int = 5, seed: int = 0) -> tuple[ImageSet, ImageSet]:
        """Split into a training set and a test set, stratified by class, with no group in both.

        Parameters
        ----------
        test_fold : int
            The fold to test on, 0 to `n_folds` - 1.
        n_folds : int
            Number of folds, at least 2.
        seed : int
            Each seed makes different folds. The published folds of the bundled set have 5 folds and seed 0.

        Returns
        -------
        train : ImageSet
            Pictures of all other folds. A class without any raises a warning.
        test : ImageSet
            Pictures of the test fold.

        Raises
        ------
        ValueError
            If the training or test set would be empty.
        """
        is_test = choose_test(self.labels, self.groups, self.folds, test_fold=test_fold, n_folds=n_folds, seed=seed)
        train, test = self[~is_test], self[is_test]
        if only_in_test := [self.classes[label] for label in np.setdiff1d(test.labels, train.labels)]:
            warnings.warn(
                f"split: every picture of {', '.join(only_in_test)} is on the test side, so this can't be learned: add "
                "pictures of other groups, or leave it out with select(classes=…)",
                stacklevel=2,
            )
        return train, test

    def few(self, shots: int, seed: int = 0, strict: bool = False) -> ImageSet:
        """Draw a few pictures per class at random, from different groups first.

        Draws are nested: the draw of 2 shots is part of the draw of 5 with the same seed.

        Parameters
        ----------
        shots : int
            Number of pictures per class, at least 1. Smaller classes keep all their pictures, with a warning.
        seed : int
            Seed of the draw.
        strict : bool
            Raise an error instead of a warning if a class has too few pictures.

        Returns
        -------
        ImageSet
            The drawn pictures, in their original order.
        """
        drawn = draw_shots(self.labels, self.groups, self.names, self.classes, shots=shots, seed=seed)
        if shortage := report_shortage(self.labels, self.classes, shots=shots):
            message = f"shots: {shots} wanted of each class, but {shortage}"
            if strict:
                raise ValueError(f"{message}: take fewer shots, or leave those out with select(classes=…)")
            warnings.warn(f"{message}; all there are is taken", stacklevel=2)
        return self[drawn]

    def disjoint_from(self, other: ImageSet) -> ImageSet:
        """Return the pictures whose group doesn't occur in another set.

        Parameters
        ----------
        other : ImageSet
            The other set, for example the source domain.

        Returns
        -------
        ImageSet
            Pictures that share no group with the other set.
        """
        return self[~np.isin(self.groups, other.groups)]

    def describe(self) -> Description:
        """Count the pictures by class and domain.

        Returns
        -------
        Description
            Its `table` is a DataFrame of counts. Jupyter shows the table and example pictures of each class.
        """
        from tlkit.images.description import Description

        return Description(self)

    def attribution(self) -> pd.DataFrame:
        """Return the source, author and licence of each picture.

        Returns
        -------
        pandas.DataFrame
            One row per picture:

            - name (str): unique name of the picture.
            - title (str): title of the picture.
            - source (str): collection or file.
            - author (str): author, or "unknown".
            - licence (str): licence, or "unknown".
        """
        import pandas as pd

        columns = {"name": self.names, "title": self.titles, "source": self.origins}
        return pd.DataFrame(columns | {"author": self.authors, "licence": self.licences})


def check_images(argument, images):
    """Raise TypeError if the images are no `ImageSet`."""
    if not isinstance(images, ImageSet):
        raise TypeError(f"{argument}: a {type(images).__name__}, expected an ImageSet, as load_images makes it")
