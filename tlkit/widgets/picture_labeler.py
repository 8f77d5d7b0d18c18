"""Label a folder of pictures by keyboard: the `PictureLabeler`."""

import functools
import html
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import traitlets

import tlkit as tl
from tlkit.features.extract import extract_features
from tlkit.features.features import Features
from tlkit.heads.kinds import fit_head
from tlkit.images.decode import PictureError, decode_picture
from tlkit.images.files import PictureFile
from tlkit.images.formats import EXTENSIONS
from tlkit.images.inputs import UNLABELLED, make_set
from tlkit.images.label_file import LabelFile
from tlkit.images.layout import find_pictures
from tlkit.images.trees import list_folder
from tlkit.languages import show
from tlkit.names import make_printable, number_repeats
from tlkit.storage import written_whole
from tlkit.widgets.explorer import Explorer, make_bundle, read_files
from tlkit.widgets.jobs import Job
from tlkit.widgets.thumbnails import encode_thumbnail

_BACKBONE = "efficientnet_lite0"
_N_AT_ONCE = 8  # thumbnails per message
_PATIENCE_S = 2.0  # for a message that comes after a later one


class PictureLabeler(Explorer):
    """Label the pictures of a folder by keyboard; each edit is appended to `labels.csv` in the folder at once.

    Number keys label the selected pictures and go on to the next one without a label. The pictures themselves are
    never changed. `tl.load_images(folder)` reads the labels. Pictures in class folders begin with their class.

    Parameters
    ----------
    folder : str or path
        A folder of pictures, with or without folders in it. Pictures that are dropped on the widget are added to it.
    classes : list of str, optional
        First classes, in the order of their keys. Others are added in the widget.
    backbone : Backbone or str, optional
        Network for suggested labels, by default "efficientnet_lite0". If it is given, suggestions are on at first: a
        linear probe on its frozen features is fitted again after each edit, and the pictures whose predicted class is
        least probable come first [1]_. Unlike the paper, we leave the order of labelling to the reader.

    Raises
    ------
    FileNotFoundError or ValueError
        If there is no such folder, it holds no picture, or its `labels.csv` has other columns.

    References
    ----------
    .. [1] Lewis and Gale 1994, A sequential algorithm for training text classifiers.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> for number in range(3):
    ...     tl.load_images("styles")[number][0].save(f"{folder}/{number}.png")
    >>> tl.widgets.PictureLabeler(folder, ["bird", "bug"])
    PictureLabeler(0 of 3 pictures labelled, 0 dropped)
    """

    _esm = read_files("kit.js", "picture_labeler.js")
    _css = read_files("kit.css", "picture_labeler.css")

    folder = traitlets.Unicode().tag(sync=True)
    names = traitlets.List().tag(sync=True)  # of the pictures; other lists hold their indices
    classes = traitlets.List().tag(sync=True)
    marks = traitlets.List().tag(sync=True)  # index of the class of each picture, or -1
    reviews = traitlets.Unicode().tag(sync=True)  # a sign per picture: "1" dropped, "0" looked at and kept, "-"
    suggested = traitlets.List().tag(sync=True)  # like marks
    order = traitlets.List().tag(sync=True)
    notes = traitlets.Dict().tag(sync=True)  # {index: [why the picture is shown, index of a near duplicate or -1]}
    cleaning = traitlets.Bool(False).tag(sync=True)
    suggesting = traitlets.Bool(False).tag(sync=True)
    progress = traitlets.Unicode().tag(sync=True, to_json=show)

    def __init__(
        self,
        folder: str | os.PathLike,
        classes: Sequence[str] | None = None,
        backbone: "tl.Backbone | str | None" = None,
    ):
        path = Path(folder).expanduser()
        if not path.is_dir():
            raise FileNotFoundError(f"folder: {str(folder)!r} is no folder, expected one that holds pictures")
        files = {str(inner): file for inner, file in sorted(find_pictures(list_folder(path)).items())}
        if not files:
            raise ValueError(f"folder: {path} holds no picture: copy pictures into it, and call this again")
        labels = [name.partition("/")[0] if "/" in name else "" for name in files]
        classes = [make_printable(name).strip() for name in ([classes] if isinstance(classes, str) else classes or ())]
        self._begin(path, files, labels, classes, order=list(range(len(files))))
        self._backbone, self.suggesting = backbone or _BACKBONE, backbone is not None

    def _begin(self, folder, files, labels, classes, **traits):
        """Show {name: file} of a folder, with the labels that they have without the label file."""
        self._lock, self._read_thumbnail = threading.RLock(), functools.lru_cache(maxsize=2000)(encode_thumbnail)
        self._files, self._labels, self._label_file = files, labels, LabelFile(folder)
        self._wanted, self._drawer, self._job, self._is_stale, self._values = [], None, None, False, None
        self._turn, self._handled = threading.Condition(self._lock), {}  # number of the last message of each view
        used = {entry.label for entry in self._label_file.entries.values()}
        classes = [*classes, *sorted(set(labels) - {""}), *(name for name in self._label_file.labels if name in used)]
        super().__init__(folder=str(folder), classes=list(dict.fromkeys(filter(None, classes))), **traits)
        self._show()
        self.on_msg(self._take)
        self.observe(lambda _change: self._refit(), "suggesting")

    def _show(self, sentence=""):
        """Show the state of all pictures, and a sentence about the last edit."""
        entries = [self._label_file.entries[name] for name in self._files]
        labels = [entry.label or label for entry, label in zip(entries, self._labels, strict=True)]
        with self._lock, self.hold_sync():
            self.classes = list(dict.fromkeys([*self.classes, *filter(None, labels)]))
            places = {name: place for place, name in enumerate(self.classes)}
            self.names, self.marks = list(self._files), [places.get(label, -1) for label in labels]
            self.reviews = "".join(entry.dropped or "-" for entry in entries)
            self.status, self.error = f"{self._describe()}. {sentence}".strip(), None
        self._refit()

    def _describe(self):
        """Return the numbers of pictures in words."""
        n_labelled = sum(mark >= 0 for mark in self.marks)
        return f"{n_labelled} of {len(self.marks)} pictures labelled, {self.reviews.count('1')} dropped"

    def _take(self, _widget, request, buffers):
        """Do what the browser requests: {"do": name of an action, "with": arguments, "id": of an edit, view:number}."""
        actions = {"edit": self._edit, "undo": self._undo, "want": self._want, "upload": self._upload}
        action, shown = actions[request["do"]], []
        view, _, number = request.get("id", ":0").rpartition(":")
        with self._turn:
            # While JupyterLab begins to use a thread of its own for widgets, messages come in two threads.
            self._turn.wait_for(lambda: not view or self._handled.get(view, -1) >= int(number) - 1, _PATIENCE_S)
            self.report_failure(lambda: shown.extend(action(*request["with"], *buffers)), "This could not be done")
            if view:
                self._handled[view] = max(int(number), self._handled.get(view, -1))
                self._turn.notify_all()
                self.send({"handled": request["id"], "indices": shown})

    def _edit(self, indices, changes):
        """Append a change of the entries of some pictures, {"label", "dropped"}, to the file; return the indices."""
        if "label" in changes:
            changes["label"] = make_printable(changes["label"]).strip()

        def edit(entries):
            edited = {self.names[index]: entries[self.names[index]]._replace(**changes) for index in indices}
            for index in indices if changes == {"dropped": "0"} else ():
                if (twin := self.notes.get(index, ["", -1])[1]) >= 0:  # near duplicates stay on one side of a split
                    name, other = self.names[index], self.names[twin]
                    group = entries[other].group or min(name, other)
                    edited[name] = edited[name]._replace(group=group)
                    edited[other] = edited.get(other, entries[other])._replace(group=group)
            return edited

        self._label_file.append(edit)
        words = changes.get("label") or {"1": "dropped", "0": "kept", "": "not dropped"}[changes["dropped"]]
        self._show(f"{self.names[indices[0]] if len(indices) == 1 else f'{len(indices)} pictures'}: {words}.")
        return indices

    def _undo(self):
        """Take back the last edit in the file; return the indices of its pictures."""
        names = self._label_file.undo()
        self._show("The last edit is taken back." if names else "There is nothing to take back.")
        return [self.names.index(name) for name in names if name in self._files]

    def _upload(self, name, content):
        """Add a picture to the folder, under a name that is free; return its index."""
        name = make_printable(name.replace("\\", "/").rpartition("/")[2]).lstrip(".")
        if Path(name).suffix.casefold() not in EXTENSIONS:
            raise ValueError(f"{name!r} has no extension of a picture, expected .jpg, .png, .webp or another usual one")
        decode_picture(bytes(content), name)
        with self._lock:
            (name,) = number_repeats([name], [path.name for path in Path(self.folder).iterdir()])
            path = Path(os.path.abspath(self.folder), name)
            with written_whole(path) as temporary:
                temporary.write_bytes(content)
            self._files, self._labels, self._values = self._files | {name: PictureFile(path)}, [*self._labels, ""], None
            self.order = [*self.order, len(self._files) - 1]
            self._show(f"{name} is in the folder now.")
        return [len(self._files) - 1]

    def _want(self, indices, side_px):
        """Send the thumbnails of pictures that have come into sight; those that were wanted before no longer are."""
        with self._lock:
            self._wanted = [one for one in self._wanted if one[1] != side_px] + [(index, side_px) for index in indices]
            self._drawer = self._drawer or Job(self._draw)
        return ()

    def _draw(self, _job):
        """Send thumbnails until no more are wanted."""
        while True:
            with self._lock:
                batch, self._wanted = self._wanted[:_N_AT_ONCE], self._wanted[_N_AT_ONCE:]
                if not batch:
                    self._drawer = None
                    return
            self.send({"thumbnails": [(*one, *self._try_thumbnail(*one)) for one in batch]})

    def _try_thumbnail(self, index, side_px):
        """Return (thumbnail or "", why there is none)."""
        try:
            return self._read_thumbnail(self._files[self.names[index]], side_px), ""
        except Exception as error:  # decoders raise all kinds of errors for broken data
            return "", getattr(error, "reason", "") or f"can't be read ({error})"

    def wait(self) -> "PictureLabeler":
        """Wait until the work in the background has ended.

        Returns
        -------
        PictureLabeler
            The widget itself.
        """
        while (job := self._job) is not None:
            job.wait()
        return self

    def _refit(self):
        """Fit the probe again, in a job, unless there are no suggestions."""
        with self._lock:
            self._is_stale = self.suggesting
            if self.suggesting and self._job is None:
                self._job = Job(self._work)
            elif not self.suggesting and not self.cleaning:
                self.order, self.suggested, self.progress = list(range(len(self._files))), [], ""

    def _work(self, _job):
        """Fit the probe until no edit has come meanwhile."""
        while True:
            with self._lock:
                if not self._is_stale:
                    self._job = None
                    return
                self._is_stale = False
            try:
                self._fit_probe()
            except Exception as error:  # shown, and the next edit tries again
                self.progress = f"No suggestions: {type(error).__name__}: {error}" if self.suggesting else ""

    def _fit_probe(self):
        """Suggest labels by a linear probe on the pictures that have one, the most uncertain pictures first."""
        if self._values is None:
            self._values = self._extract()
        rows, values = self._values
        marks = np.array(self.marks)[rows]
        kept = np.array([self.reviews[row] != "1" for row in rows], bool)
        known = (marks >= 0) & kept
        present, labels = np.unique(marks[known], return_inverse=True)
        if len(present) < 2:
            self.progress = "Suggestions begin when two classes have labels."
            return
        names = np.array(self.names)[rows][known]
        head = fit_head(Features(values[known], labels, [self.classes[place] for place in present], names, names, {}))
        probabilities = head.predict(values)
        suggested = np.full(len(self._files), -1)
        suggested[rows] = present[probabilities.argmax(axis=1)]
        certainty = np.full(len(self._files), 2.0)
        certainty[rows] = probabilities.max(axis=1) + 2 * ((marks >= 0) | ~kept)
        with self._lock, self.hold_sync():
            if self.suggesting:
                self.order, self.suggested = np.argsort(certainty, kind="stable").tolist(), suggested.tolist()
                self.progress = f"Suggestions by {known.sum()} labels, the most uncertain pictures first."

    def _extract(self):
        """Return (indices, features) of the pictures that can be read."""
        files, done = list(self._files.items()), 0
        rows = [row for row, (_, file) in enumerate(files) if os.path.exists(file.path)]

        def report(n_new):
            nonlocal done
            done += n_new
            self.progress = f"Features of {done} of {len(rows)} pictures are computed."
            if not self.suggesting:
                raise InterruptedError("suggestions were switched off")

        while True:
            images = make_set([(files[row][0], UNLABELLED, files[row][1]) for row in rows], [UNLABELLED], "folder")
            try:
                features = extract_features(self._backbone, images, precision="fast", progress=False, report=report)
                return np.array(rows), features.values
            except PictureError as error:
                rows = [row for row in rows if files[row][1].location != error.location]

    def _repr_mimebundle_(self, **keywords):
        """Return the widget's display data, with a table of the classes for front ends without widgets."""
        rows = [(name, self.marks.count(place)) for place, name in enumerate(self.classes)]
        table = "".join(f"<tr><th scope=row>{html.escape(name)}</th><td>{count}</td></tr>" for name, count in rows)
        table = f"<p>{html.escape(self.status)}</p><table>{table}</table>"
        return make_bundle(self, keywords, {"text/html": table})

    def __repr__(self):
        return f"{type(self).__name__}({self._describe()})"
