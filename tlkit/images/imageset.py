"""Labelled pictures that are read only when they are needed: the `ImageSet`."""

import dataclasses
import hashlib
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Self, overload

import numpy as np

from tlkit.arguments import check_known, check_one_label, check_shape, relabel, resolve_index
from tlkit.images.decode import decode_picture
from tlkit.images.splits import choose_test, draw_shots, find_straddling, join_groups, report_shortage
from tlkit.names import number_repeats
from tlkit.notices import warn

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

    from tlkit.images.description import Description

_COLUMNS = ("labels", "domains", "groups", "names", "roles", "titles", "origins", "authors", "licences", "folds")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Labelled pictures of one or more domains, as `load_images` makes them.

    `images[3]` is a picture and its label, `images[rows]` a smaller set (`rows` is a slice, indices or a mask), and
    `a + b` the pictures of both sets with merged classes. A set never changes: its methods return new sets.

    Parameters
    ----------
    pictures : (n,) ndarray of object
        Location of each picture's bytes (see `tlkit.images.files`). Read pictures with `read`.
    labels : (n,) ndarray of int64
        Indices into `classes`; or (n, n_labels) of 0 and 1 if pictures have several labels, which `classes` names.
    classes : list of str
        All class names. A class may have no pictures in this set.
    domains, groups, names : (n,) ndarray of str
        Domain, as "photo"; group, which stays on one side of a split; unique name, as "clipart/bird/0247.webp".
    roles, titles, origins, authors, licences : (n,) ndarray of str
        Role in a published set, for example "core", title, source, author and licence of each picture.
    folds : (n,) ndarray of int64
        Published test fold of each picture, or -1.
    quarantine, attribution_text : list of (path, reason) and str
        Files that `load_images(..., bad="skip")` left out, and the attribution that makers of a published set ask for.

    Examples
    --------
    >>> images = tl.load_images("styles", domain=["photo", "sketch"])
    >>> images.select(classes=["bird", "bug"])
    ImageSet(77 pictures, 2 of 14 classes, 76 groups: photo, sketch)
    >>> train, test = images.split()
    >>> set(train.groups) & set(test.groups)
    set()
    """

    noun, description = "picture", "tlkit.images.description"  # the word in messages, the module of `describe`
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
        vars(self).update(pictures=pictures, classes=list(self.classes), quarantine=list(self.quarantine))
        for name in [name for name in ("titles", "origins") if vars(self)[name] is None]:
            del vars(self)[name]
        for name, given in self._columns().items():
            values = np.array(given, dtype={"labels": np.int64, "folds": np.int64, "pictures": object}.get(name, str))
            several = (len(self.classes),) if name == "labels" and values.ndim == 2 else ()
            check_shape(name, values, self.pictures.shape + several, f"one for each of {len(self)} {self.noun}s")
            if len(values) and name != "pictures" and (values == values[0]).all():
                values = np.broadcast_to(values[0], values.shape)  # takes the memory of one entry
            vars(self)[name] = values
        expected, n = ("", 2) if self.labels.ndim == 2 else ("class indices from ", len(self.classes))
        if len(wrong := self.labels[(self.labels < 0) | (self.labels >= n)]):
            raise ValueError(f"labels: {wrong[0]}, expected {expected}0 to {n - 1}")
        self.__setstate__({})

    def __getattr__(self, name):
        if name in ("titles", "origins") and "pictures" in vars(self):  # left out by `make_set` to save memory
            places = [picture.location for picture in self.pictures]
            return np.array(places if name == "origins" else [place.rpartition("/")[2] for place in places], dtype=str)
        raise AttributeError(f"{type(self).__name__} has no {name!r}")

    def _columns(self):
        """Return {name: values} of the columns that are stored."""
        return {name: vars(self)[name] for name in ("pictures", *_COLUMNS) if name in vars(self)}

    def _replace(self, **changes):
        """Return this set with some columns changed."""
        kept = {field.name: vars(self).get(field.name) for field in dataclasses.fields(self)}
        return type(self)(**kept | changes)

    def __setstate__(self, state):
        vars(self).update(state)
        for values in self._columns().values():
            values.flags.writeable = False  # pickles don't keep it

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def shape(self) -> tuple[int]:
        """Number of pictures as (n,), so that scikit-learn can split the set like an array."""
        return self.pictures.shape

    @property
    def counts(self) -> np.ndarray:
        """Number of pictures of each class, (n_classes,) int64."""
        if self.labels.ndim == 2:
            return self.labels.sum(axis=0)
        return np.bincount(self.labels, minlength=len(self.classes))

    def __repr__(self):
        present, n_groups = np.count_nonzero(self.counts), len(np.unique(self.groups))
        noun = "labels" if self.labels.ndim == 2 else "classes"
        classes = f"{present} {noun}" if present == len(self.classes) else f"{present} of {len(self.classes)} {noun}"
        domains = ", ".join(np.unique(self.domains)) or "no domain"
        return f"{type(self).__name__}({len(self)} {self.noun}s, {classes}, {n_groups} groups: {domains})"

    def __iter__(self) -> "Iterator[tuple[Image.Image, int]]":
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> "tuple[Image.Image, int]": ...
    @overload
    def __getitem__(self, index: Sequence | np.ndarray | slice) -> Self: ...

    def __getitem__(self, index):
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:  # scikit-learn's way to take rows
            index = index[0]
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            return self.read(index), self.labels[index].tolist()
        rows = resolve_index(index, len(self))
        return self._replace(**{name: values[rows] for name, values in self._columns().items()})

    def __add__(self, other: "ImageSet") -> Self:
        if not isinstance(other, ImageSet) or other.noun != self.noun or other.labels.ndim != self.labels.ndim:
            return NotImplemented
        classes = sorted({*self.classes, *other.classes})
        parts = [self.with_classes(classes), other.with_classes(classes)]
        merged = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("pictures", *_COLUMNS)}
        merged["names"] = number_repeats([*self.names, *other.names])
        merged["quarantine"] = list(dict.fromkeys([*self.quarantine, *other.quarantine]))
        texts = dict.fromkeys(filter(None, [self.attribution_text, other.attribution_text]))
        return self._replace(classes=classes, attribution_text="\n".join(texts), **merged)

    def with_classes(self, classes: Sequence[str]) -> Self:
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
        if len(set(classes)) != len(classes):
            raise ValueError(f"classes: {classes} names a class twice, expected each one once")
        present = [self.classes[label] for label in np.flatnonzero(self.counts)]
        if missing := [name for name in present if name not in classes]:
            found = f"{classes} lacks {missing}, which have {self.noun}s"
            raise ValueError(f"classes: {found}: add them, or leave their {self.noun}s out with select(classes=…)")
        return self._replace(classes=classes, labels=relabel(self.labels, self.classes, classes))

    def read(self, index: int, n_channels: int = 3) -> "Image.Image":
        """Decode one picture.

        Parameters
        ----------
        index : int
            Index of the picture.
        n_channels : int
            Number of channels: 3 for colours, 1 for gray levels, or all channels of an array or RGBA picture.

        Returns
        -------
        PIL.Image.Image
            The upright picture in mode "RGB", in mode "L" if gray, or an array-like object (height, width, n_channels).

        Raises
        ------
        PictureError
            If the picture is damaged, in an unknown format, or of another number of channels.
        """
        picture = self.pictures[index]
        return decode_picture(picture.read_bytes(), picture.location, n_channels)

    def digest(self, index: int) -> str:
        """Return the SHA-256 of one picture's file, remembered until the file changes.

        Parameters
        ----------
        index : int
            Index of the picture.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        return self.pictures[index].digest()

    @property
    def content_hash(self) -> str:
        """SHA-256 of all pictures, labels and classes in their order, as 64 hexadecimal digits."""
        content = hashlib.sha256(repr(self.classes).encode())
        for index, label in enumerate(self.labels.tolist()):
            content.update(f"{self.digest(index)} {label}\n".encode())
        return content.hexdigest()

    def select(
        self,
        classes: str | Sequence[str] | None = None,
        domain: str | Sequence[str] | None = None,
        role: str | Sequence[str] | None = None,
    ) -> Self:
        """Return the pictures of some classes, domains and roles.

        Parameters
        ----------
        classes, domain, role : str or list of str, optional
            Names of classes, domains and roles. By default all. Of several labels, a picture needs one of them.

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
        if classes is not None:
            wanted = check_known("classes", classes, self.classes)
            chosen = [self.classes.index(name) for name in wanted]
            keep &= self.labels[:, chosen].any(axis=1) if self.labels.ndim == 2 else np.isin(self.labels, chosen)
        for argument, wanted, values in (("domain", domain, self.domains), ("role", role, self.roles)):
            if wanted is not None:
                keep &= np.isin(values, check_known(argument, wanted, np.unique(values).tolist()))
        return self[keep]

    def with_groups(self, groups: Sequence | str | Mapping | Callable[[str], object]) -> Self:
        """Keep the pictures of a patient, camera or photographer on one side of each split.

        Parameters
        ----------
        groups : list, str, dict or callable
            One group (str or int) per picture; a column such as "authors"; or a dict or function from names to groups.

        Returns
        -------
        ImageSet
            The same pictures. Old groups stay together too. `split` draws new folds if groups are in several.

        Raises
        ------
        TypeError, ValueError
            If groups are missing or of mixed types, or all pictures are in one group.
        """
        if isinstance(groups, str):
            groups = getattr(self, *check_known("groups", groups, _COLUMNS))
        elif callable(groups) or isinstance(groups, Mapping):
            find = groups if callable(groups) else groups.get
            groups = [find(name) for name in self.names.tolist()]
        groups = join_groups(self.groups, groups, self.noun)
        folds = self.folds
        if len(folds) and folds.min() >= 0 and find_straddling(groups, folds):
            warn(f"groups: some have {self.noun}s in several published folds, so new folds are drawn")
            folds = np.full(len(folds), -1)
        return self._replace(groups=groups, folds=folds)

    def split(self, test_fold: int = 0, n_folds: int = 5, seed: int = 0) -> tuple[Self, Self]:
        """Split into a training set and a test set, stratified by class, with no group in both.

        Parameters
        ----------
        test_fold, n_folds : int
            The fold to test on, 0 to `n_folds` - 1, and the number of folds, at least 2.
        seed : int
            Each seed makes different folds, 0 with 5 folds the published ones of the bundled set, if all are there.

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
        settings = {"test_fold": test_fold, "n_folds": n_folds, "seed": seed, "noun": self.noun}
        is_test = choose_test(self.labels, self.groups, self.folds, **settings)
        train, test = self[~is_test], self[is_test]
        if unlearned := np.array(self.classes)[(train.counts == 0) & (test.counts > 0)].tolist():
            advice = f"add {self.noun}s of other groups, or leave it out with select(classes=…)"
            warn(f"split: every {self.noun} of {', '.join(unlearned)} is on the test side: {advice}")
        return train, test

    def few(self, shots: int, seed: int = 0, strict: bool = False) -> Self:
        """Draw a few pictures per class at random, from different groups first.

        Draws are nested: the draw of 2 shots is part of the draw of 5 with the same seed.

        Parameters
        ----------
        shots : int
            Number of pictures per class, at least 1. Smaller classes keep all their pictures, with a warning.
        seed, strict : int and bool
            Seed of the draw, and whether too few pictures raise an error instead of a warning.

        Returns
        -------
        ImageSet
            The drawn pictures, in their original order.
        """
        drawn = draw_shots(self.labels, self.groups, self.names, self.classes, shots=shots, seed=seed)
        report_shortage(self.classes, self.counts, shots, strict)
        return self[drawn]

    def disjoint_from(self, other: "ImageSet") -> Self:
        """Return the pictures that share no group with another set.

        Parameters
        ----------
        other : ImageSet
            The other set, for example the source domain.

        Returns
        -------
        ImageSet
            The other pictures of this set.
        """
        return self[~np.isin(self.groups, other.groups)]

    def describe(self) -> "Description":
        """Count the pictures or texts by class and domain.

        Returns
        -------
        Description
            Its `table` is a DataFrame of counts, which Jupyter shows with examples; that of texts also has `lengths`.
        """
        return importlib.import_module(self.description).Description(self)

    def attribution(self) -> "pd.DataFrame":
        """Return the source, author and licence of each picture.

        Returns
        -------
        pandas.DataFrame
            One row per picture:

            - name, title, source (str): unique name, title, and collection or file.
            - author, licence (str): or "unknown".
        """
        import pandas as pd

        columns = {"name": self.names, "title": self.titles, "source": self.origins}
        return pd.DataFrame(columns | {"author": self.authors, "licence": self.licences})


def check_images(argument, images, noun=None, several=False):
    """Raise TypeError if the images are no `ImageSet`, not of the wanted `noun`, or have several labels each."""
    if not isinstance(images, ImageSet):
        raise TypeError(f"{argument}: a {type(images).__name__}, expected an ImageSet, as load_images makes it")
    if noun not in (None, images.noun):
        raise TypeError(f"{argument}: a {type(images).__name__}, expected {noun}s, whose pixels are needed here")
    if not several:
        check_one_label(argument, images)
