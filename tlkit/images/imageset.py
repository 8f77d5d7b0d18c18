"""Labelled pictures that are read when they are asked for: the `ImageSet`."""

import dataclasses
import hashlib
import warnings

import numpy as np

from tlkit.arguments import check_known
from tlkit.images.decode import decode_picture
from tlkit.images.splits import choose_test, draw_shots, report_shortage
from tlkit.names import number_repeats

_COLUMNS = (
    "labels",
    "domains",
    "groups",
    "names",
    "roles",
    "titles",
    "origins",
    "authors",
    "licences",
    "folds",
)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Labelled pictures of one or more domains. It never changes: what its methods return are other sets.

    `load_images` makes one. `images[i]` is a picture and its label; `images[slice, indices or mask]` is a
    smaller set; `a + b` holds the pictures of both, with their classes merged.

    Arguments
    ---------
    pictures: (n,) object
        Where each picture lies (see `tlkit.images.files`); read with `read`, not from here.
    labels: (n,) int64
        Indices into `classes`.
    classes: list of str
        All classes of the set, sorted, also those of which no picture is here.
    domains, groups, names, roles, titles, origins, authors, licences: (n,) str
        A group is what must not be on both sides of a split. Names are unique, like "clipart/bird/0247.webp".
    folds: (n,) int64
        The published test fold of each picture, -1 where there is none.
    quarantine: list of (path, reason)
        Files that `load_images(…, bad="skip")` left out.
    attribution_text: str
        Where the pictures of a published set come from, in the words of its makers.
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
            raise ValueError(
                f"labels: {wrong[0]}, expected places in the list of {len(self.classes)} classes, from 0 on"
            )
        self._make_read_only()

    def _make_read_only(self):
        for name in ("pictures", *_COLUMNS):
            values = getattr(self, name)
            if values.shape != self.pictures.shape:
                raise ValueError(f"{name}: shape {values.shape}, expected one for each of {len(self)} pictures")
            values.flags.writeable = False

    def __setstate__(self, state):
        self.__dict__.update(state)
        self._make_read_only()  # a pickle forgets that an array was read-only

    def __len__(self):
        return len(self.pictures)

    @property
    def shape(self):
        """(n,): what lets scikit-learn split the set like an array, without decoding a picture."""
        return self.pictures.shape

    def __repr__(self):
        present = len(np.unique(self.labels))
        classes = f"{present} classes" if present == len(self.classes) else f"{present} of {len(self.classes)} classes"
        domains = ", ".join(np.unique(self.domains)) or "no domain"
        return f"ImageSet({len(self)} pictures, {classes}, {len(np.unique(self.groups))} groups: {domains})"

    def __iter__(self):
        return (self[index] for index in range(len(self)))

    def __getitem__(self, index):
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:  # as scikit-learn takes rows
            index = index[0]
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            return self.read(index), int(self.labels[index])
        return self._take(find_places(index, len(self)))

    def _take(self, indices):
        return dataclasses.replace(self, **{name: getattr(self, name)[indices] for name in ("pictures", *_COLUMNS)})

    def __add__(self, other):
        if not isinstance(other, ImageSet):
            return NotImplemented
        classes = sorted({*self.classes, *other.classes})
        parts = [self.with_classes(classes), other.with_classes(classes)]
        merged = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("pictures", *_COLUMNS)}
        merged["names"] = number_repeats([*self.names, *other.names])
        texts = dict.fromkeys(filter(None, [self.attribution_text, other.attribution_text]))
        quarantine = list(dict.fromkeys([*self.quarantine, *other.quarantine]))
        return ImageSet(classes=classes, quarantine=quarantine, attribution_text="\n".join(texts), **merged)

    def with_classes(self, classes):
        """Return the same pictures with labels into another list of classes, so that two sets share one.

        Arguments
        ---------
        classes: list of str
            Must hold each class of which a picture is here; its order is kept.

        Raises ValueError when a class is missing from it or stands in it twice.
        """
        classes = check_known("classes", classes, classes)
        return dataclasses.replace(self, classes=classes, labels=renumber(self.labels, self.classes, classes))

    def read(self, index):
        """Return picture number `index`, decoded (PIL picture of mode "RGB"); PictureError if it can't be."""
        picture = self.pictures[index]
        return decode_picture(picture.read_bytes(), picture.location)

    def digest(self, index):
        """Return the SHA-256 of the file of picture number `index` (64 hexadecimal digits).

        It is remembered, and computed again when the file was changed.
        """
        return self.pictures[index].digest()

    @property
    def content_hash(self):
        """SHA-256 of all pictures, labels and classes in their order (64 hexadecimal digits)."""
        content = hashlib.sha256(repr(self.classes).encode())
        for index, label in enumerate(self.labels):
            content.update(f"{self.digest(index)} {label}\n".encode())
        return content.hexdigest()

    def select(self, classes=None, domain=None, role=None):
        """Return the pictures of some classes, domains and roles; the list of classes stays as it is.

        Arguments
        ---------
        classes, domain, role: str or list of str
            None takes all.

        Raises ValueError for a name that the set doesn't have.
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

    def split(self, test_fold=0, n_folds=5, seed=0):
        """Split into a training and a test side, stratified by class, with no group on both.

        Arguments
        ---------
        test_fold: int
            Which of the folds is tested, 0 to `n_folds` - 1.
        n_folds: int
        seed: int
            Other seeds make other folds. The bundled set's published folds are those of 5 and 0.

        Returns (train, test). Warns when a class is missing from the training side; raises ValueError
        where a side would be empty.
        """
        is_test = choose_test(self.labels, self.groups, self.folds, test_fold=test_fold, n_folds=n_folds, seed=seed)
        train, test = self[~is_test], self[is_test]
        if unlearned := [self.classes[label] for label in np.setdiff1d(test.labels, train.labels)]:
            warnings.warn(
                f"split: every picture of {', '.join(unlearned)} is on the test side, so this can't "
                "be learned: add pictures of other groups, or leave it out with select(classes=…)",
                stacklevel=2,
            )
        return train, test

    def few(self, shots, seed=0, strict=False):
        """Draw a few pictures of each class: groups at random, then one picture a group in turn.

        Draws are nested: those of 2 shots are among those of 5 of the same seed.

        Arguments
        ---------
        shots: int
            Pictures a class; of a class that has fewer, all are taken, with one warning.
        seed: int
        strict: bool
            Raise ValueError instead of warning.
        """
        drawn = draw_shots(self.labels, self.groups, self.names, self.classes, shots=shots, seed=seed)
        if shortage := report_shortage(self.labels, self.classes, shots=shots):
            message = f"shots: {shots} wanted of each class, but {shortage}"
            if strict:
                raise ValueError(f"{message}: ask for fewer shots, or leave those out with select(classes=…)")
            warnings.warn(f"{message}; all there are is taken", stacklevel=2)
        return self[drawn]

    def disjoint_from(self, other):
        """Return the pictures whose group doesn't occur in another ImageSet."""
        return self[~np.isin(self.groups, other.groups)]

    def describe(self):
        """Count the pictures by class and domain; displays in Jupyter as a table and a contact sheet."""
        from tlkit.images.description import Description

        return Description(self)

    def attribution(self):
        """Return where each picture comes from: a DataFrame of name, title, source, author, licence."""
        from tlkit.images.description import tabulate_attribution

        return tabulate_attribution(self)


def renumber(labels, classes, new_classes):
    """Give labels into one list of classes as labels into another.

    Arguments
    ---------
    labels: (n,) int
        Into `classes`.
    classes, new_classes: list of str

    Returns (n,) int64, into `new_classes`. Raises ValueError where a class that occurs is missing from the
    new list, or where the new list names one twice.

    >>> renumber([0, 1, 1], ["cat", "dog"], ["ant", "cat", "dog"]).tolist()
    [1, 2, 2]
    """
    labels = np.asarray(labels, dtype=np.int64)
    lookup = {name: label for label, name in enumerate(new_classes)}
    if len(lookup) != len(new_classes):
        raise ValueError(f"classes: {new_classes} names a class twice, expected each one once")
    here = [classes[label] for label in np.unique(labels)]
    if missing := [name for name in here if name not in lookup]:
        raise ValueError(
            f"classes: {new_classes} lacks {missing}, of which there are pictures: add them, or leave their "
            "pictures out with select(classes=…)"
        )
    return np.array([lookup.get(name, -1) for name in classes], dtype=np.int64)[labels]


def find_places(index, n):
    """Turn an index into the places it means, in a sequence of n.

    Arguments
    ---------
    index: slice, sequence of int or (n,) bool
    n: int

    Returns (m,) int. Raises TypeError for another kind of index, IndexError beyond the end.

    >>> find_places([True, False, True], 3).tolist(), find_places(slice(1, None), 3).tolist()
    ([0, 2], [1, 2])
    """
    places = np.arange(n)
    if isinstance(index, slice):
        return places[index]
    indices = np.asarray(index)
    if indices.size == 0 and indices.dtype != bool:
        indices = indices.astype(np.int64)
    if indices.ndim != 1 or not (indices.dtype == bool or np.issubdtype(indices.dtype, np.integer)):
        raise TypeError(f"index: {index!r}, expected an int, a slice, a list of int or an (n,) mask of bool")
    return places[indices]


def check_images(argument, images):
    """Raise TypeError for anything but an `ImageSet`."""
    if not isinstance(images, ImageSet):
        raise TypeError(f"{argument}: a {type(images).__name__}, expected an ImageSet, as load_images makes it")
