"""Labelling and cleaning without a browser: what it sends is kept in the file, and what it is shown follows from it."""

import base64
import hashlib
import io
import threading

import numpy as np
import pytest
from made_networks import make_tiny_backbone
from made_pictures import encode, make_picture, write_classes, write_dark_and_bright
from PIL import Image
from test_label_file import load, write_flat

import tlkit as tl
from tlkit.images.label_file import Entry, LabelFile
from tlkit.widgets import PictureCleaner, PictureLabeler, picture_labeler


class Browser:
    """Sends messages as the page does, and collects the answers."""

    def __init__(self, widget, monkeypatch):
        self.widget, self.got, self.n_sent = widget, [], 0
        monkeypatch.setattr(widget, "send", lambda content, buffers=None: self.got.append(content))

    def send(self, action, *parts, buffers=()):
        """Return the message that confirms an edit."""
        request = {"do": action, "with": list(parts), "id": f"page:{self.n_sent}"}
        self.n_sent += 1
        self.widget._handle_custom_msg(request, list(buffers))
        assert self.got[-1]["handled"] == request["id"]
        return self.got[-1]

    def label(self, indices, name):
        return self.send("edit", indices, {"label": name, "dropped": ""})

    def want(self, indices, side_px=128):
        """Return {index: (address, problem)} of thumbnails, which a thread sends."""
        self.got.clear()
        self.send("want", indices, side_px)
        while (job := self.widget._drawer) is not None:
            job.wait()
        sent = [one for message in self.got for one in message.get("thumbnails", [])]
        return {index: (address, problem) for index, px, address, problem in sent if px == side_px}


@pytest.fixture
def desk(tmp_path):
    return write_flat(tmp_path / "desk", 12)


def test_labels_go_to_the_file_and_come_back_in_a_new_widget(desk, monkeypatch):
    labeler = PictureLabeler(desk, ["cup", "pen"])
    assert labeler.names == sorted(f"{number}.png" for number in range(12))
    browser = Browser(labeler, monkeypatch)
    assert browser.label([0], "pen") == {"handled": "page:0", "indices": [0]}
    browser.label([2, 3], "cable")
    browser.send("edit", [3], {"dropped": "1"})
    assert labeler.status == "3 of 12 pictures labelled, 1 dropped. 11.png: dropped."
    assert labeler.classes == ["cup", "pen", "cable"]
    assert labeler.marks[:5] == [1, -1, 2, 2, -1] and labeler.reviews == "---1--------"
    names = labeler.names
    expected = {names[0]: Entry("pen"), names[2]: Entry("cable"), names[3]: Entry("cable", "", "1")}
    assert LabelFile(desk).entries == expected
    again = PictureLabeler(desk)
    assert again.classes == ["pen", "cable"]  # the order in which they came up, and with it their keys
    assert [again.classes[mark] for mark in again.marks if mark >= 0] == ["pen", "cable", "cable"]
    assert Browser(again, monkeypatch).send("undo")["indices"] == [3]
    assert again.reviews == "-" * 12 and again.status.endswith("The last edit is taken back.")
    assert repr(again) == "PictureLabeler(3 of 12 pictures labelled, 0 dropped)"


def test_edits_that_come_in_two_threads_are_made_in_the_order_of_the_keys(desk, monkeypatch):
    """JupyterLab sends the first messages to the main thread and later ones to a second; here the second is faster."""
    labeler = PictureLabeler(desk, ["cup", "pen"])
    browser = Browser(labeler, monkeypatch)

    def press(number, name):
        request = {"do": "edit", "with": [[0], {"label": name, "dropped": ""}], "id": f"page:{number}"}
        labeler._handle_custom_msg(request, [])

    second = threading.Thread(target=press, args=(1, "pen"))
    second.start()
    press(0, "cup")
    second.join()
    assert [message["handled"] for message in browser.got] == ["page:0", "page:1"]
    assert labeler.status.endswith(f"{labeler.names[0]}: pen.")
    assert LabelFile(desk).entries[labeler.names[0]] == Entry("pen")


def test_classes_are_spelled_as_their_labels_will_be(desk, monkeypatch):
    labeler = PictureLabeler(desk, [" cup", "two\nlines", "", 7, "7"])
    browser = Browser(labeler, monkeypatch)
    for index, name in enumerate(list(labeler.classes)):
        browser.label([index], name)
    assert labeler.classes == ["cup", "two\\nlines", "7"] and labeler.marks[:4] == [0, 1, 2, -1]


def test_a_folder_that_is_moved_away_gets_no_labels_and_none_are_lost(desk, monkeypatch):
    browser = Browser(PictureLabeler(desk), monkeypatch)
    browser.label([0], "cup")
    desk.rename(desk.with_name("moved"))
    browser.label([1], "pen")
    assert "desk is gone, so nothing is kept: put it back" in str(browser.widget.error) and not desk.exists()
    desk.with_name("moved").rename(desk)
    browser.label([1], "pen")
    assert [entry.label for entry in LabelFile(desk).entries.values()] == ["cup", "pen"] and not browser.widget.error


def test_two_labelers_on_a_folder_keep_what_the_other_one_edited(desk, monkeypatch):
    first, second = (Browser(PictureLabeler(desk), monkeypatch) for _ in range(2))
    first.label([0], "cup")
    second.send("edit", [0], {"dropped": "1"})  # before it has read the label
    assert LabelFile(desk).entries[first.widget.names[0]] == Entry("cup", "", "1")
    assert second.widget.classes[second.widget.marks[0]] == "cup"


def test_a_message_that_is_lost_stops_no_others(desk, monkeypatch):
    monkeypatch.setattr(picture_labeler, "_PATIENCE_S", 0.01)
    browser = Browser(PictureLabeler(desk), monkeypatch)
    browser.n_sent = 7
    assert browser.label([0], "cup")["indices"] == [0]


def test_class_folders_and_the_order_of_classes(tmp_path, monkeypatch):
    folder = write_classes(tmp_path / "pets", {"dog": 2, "cat": 2})
    labeler = PictureLabeler(folder)
    assert labeler.classes == ["cat", "dog"] and labeler.marks == [0, 0, 1, 1]
    Browser(labeler, monkeypatch).label([0], "dog")
    assert PictureLabeler(folder, ["dog"]).marks == [0, 1, 0, 0]
    assert load(folder)[0].labels.tolist() == [1, 0, 1, 1]


def test_an_edit_that_fails_is_not_shown_and_says_why(desk, monkeypatch):
    labeler = PictureLabeler(desk, ["cup"])
    browser = Browser(labeler, monkeypatch)
    with monkeypatch.context() as broken:
        broken.setattr(LabelFile, "append", lambda *_: (_ for _ in ()).throw(PermissionError("read only")))
        assert browser.label([0], "cup")["indices"] == []
    assert labeler.status == "This could not be done: PermissionError: read only"
    assert labeler.marks == [-1] * 12 and isinstance(labeler.error, PermissionError)
    browser.label([0], "cup")
    assert labeler.marks[0] == 0 and labeler.error is None


def test_thumbnails_are_small_upright_and_say_what_is_damaged(tmp_path, monkeypatch):
    folder = write_flat(tmp_path / "desk", 2)
    exif = Image.Exif()
    exif[0x0112] = 6
    (folder / "2.jpg").write_bytes(encode(make_picture(2, (600, 400)), "JPEG", exif=exif))
    (folder / "3.png").write_bytes(encode(make_picture(3))[:-30])
    sent = Browser(PictureLabeler(folder), monkeypatch).want([2, 3, 0])
    assert list(sent) == [2, 3, 0]
    address, problem = sent[2]
    assert problem == "" and address.startswith("data:image/jpeg;base64,")
    picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))
    assert max(picture.size) == 128 and picture.size == (85, 128)
    expected = make_picture(2, (600, 400)).rotate(-90, expand=True).resize(picture.size)
    assert np.abs(np.asarray(picture, float) - np.asarray(expected, float)).mean() < 4
    assert sent[3][0] == "" and "broken PNG" in sent[3][1]


def test_thumbnails_that_went_out_of_sight_are_not_made(desk, monkeypatch):
    labeler, held, made = PictureLabeler(desk), threading.Event(), []
    read = labeler._try_thumbnail
    monkeypatch.setattr(labeler, "_try_thumbnail", lambda *one: (held.wait(10), made.append(one[0]), read(*one))[2])
    browser = Browser(labeler, monkeypatch)
    browser.send("want", [0], 128)
    while labeler._wanted:  # the thread has taken it
        pass
    browser.send("want", list(range(1, 11)), 128)
    browser.send("want", [11], 128)
    held.set()
    while (job := labeler._drawer) is not None:
        job.wait()
    assert made == [0, 11]


def test_suggestions_follow_the_labels_and_the_most_uncertain_come_first(desk, monkeypatch):
    (desk / "zz.png").write_bytes(b"no picture")  # is left out
    labeler = PictureLabeler(desk, backbone=make_tiny_backbone()).wait()
    assert labeler.suggesting and labeler.progress == "Suggestions begin when two classes have labels."
    browser = Browser(labeler, monkeypatch)
    fitted, fit = [], picture_labeler.fit_head
    monkeypatch.setattr(picture_labeler, "fit_head", lambda features: fitted.append(fit(features)) or fitted[-1])
    browser.label([0, 1], "cup")
    browser.label([2], "pen")
    browser.send("edit", [3], {"dropped": "1"})
    labeler.wait()
    files = [desk / name for name in labeler.names[:-1]]
    values = tl.extract_features(make_tiny_backbone(), files, precision="fast", progress=False).values
    probabilities = fitted[-1].predict(values)
    assert labeler.suggested == [*probabilities.argmax(axis=1), -1]
    rest = [index for index in labeler.order if 3 < index < 12]
    assert labeler.order[:8] == rest == sorted(rest, key=lambda index: probabilities[index].max())
    assert set(labeler.order[8:]) == {0, 1, 2, 3, 12}
    labeler.suggesting = False
    labeler.wait()
    assert labeler.order == list(range(13)) and labeler.suggested == []


def test_pictures_are_added_under_free_names_inside_the_folder_only(desk, monkeypatch):
    labeler = PictureLabeler(desk, ["cup"])
    browser, content = Browser(labeler, monkeypatch), encode(make_picture(50))
    assert browser.send("upload", "../../0.png", buffers=[memoryview(content)])["indices"] == [12]
    assert labeler.names[12] == "0 (2).png" and (desk / "0 (2).png").read_bytes() == content
    browser.label([12], "cup")
    assert LabelFile(desk).entries == {"0 (2).png": Entry("cup")}
    assert list(browser.want([12])) == [12]
    for name, expected in (("labels.csv", "no extension of a picture"), (".hidden.png", "is in the folder now")):
        browser.send("upload", name, buffers=[content])
        assert expected in labeler.status
    assert labeler.names[13] == "hidden.png"
    browser.send("upload", "bad.png", buffers=[b"no picture"])
    assert "PictureError" in labeler.status and not (desk / "bad.png").exists()
    assert {path.name for path in desk.parent.iterdir()} == {"desk"}


def test_a_picture_that_is_gone_meanwhile_costs_no_suggestions(desk, monkeypatch):
    labeler = PictureLabeler(desk, "cup")
    browser = Browser(labeler, monkeypatch)
    (desk / "11.png").unlink()
    browser.label([0], "cup")
    browser.label([1], "pen")
    labeler._backbone = make_tiny_backbone()
    labeler.suggesting = True
    labeler.wait()
    assert labeler.progress.startswith("Suggestions by 2 labels")
    gone = labeler.names.index("11.png")
    assert labeler.suggested[gone] == -1 and browser.want([gone])[gone][1].startswith("can't be read")


def test_a_page_without_widgets_shows_the_classes_as_plain_text(desk, monkeypatch):
    labeler = PictureLabeler(desk, ["<b>", "cup"])
    Browser(labeler, monkeypatch).label([0], "<b>")
    shown = labeler._repr_mimebundle_()[0]["text/html"]
    assert "<p>1 of 12 pictures labelled, 0 dropped. 0.png: &lt;b&gt;.</p>" in shown
    assert "<th scope=row>&lt;b&gt;</th><td>1</td>" in shown


def test_what_cant_be_labelled_is_refused(tmp_path, desk):
    with pytest.raises(FileNotFoundError, match=r"folder: .*nowhere.* is no folder"):
        PictureLabeler(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no picture: copy"):
        PictureLabeler(tmp_path / "empty")
    (desk / "labels.csv").write_text("a,b\n")
    with pytest.raises(ValueError, match="other columns"):
        PictureLabeler(desk)


def list_contents(folder):
    paths = [path for path in folder.rglob("*") if path.is_file() and "labels.csv" not in path.name]
    return {path: (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).digest()) for path in paths}


@pytest.fixture
def suspicious(tmp_path):
    """A folder of dark and bright pictures, with a wrong label and a copy; the run, and what lies in the folder."""
    images = tl.load_images(write_dark_and_bright(tmp_path / "pets"))
    run = tl.transfer(make_tiny_backbone(), images, "linear_probe", progress=False)
    assert (run.predict(images).argmax(axis=1) == images.labels).all()
    (tmp_path / "pets/dark/0.png").rename(tmp_path / "pets/bright/wrong.png")
    copy = Image.open(tmp_path / "pets/dark/5.png").resize((20, 20))
    copy.save(tmp_path / "pets/dark/copy.png")
    return tmp_path / "pets", run


def test_suspects_are_listed_relabelled_dropped_kept_and_taken_back(suspicious, monkeypatch):
    folder, run = suspicious
    before = list_contents(folder)
    cleaner = PictureCleaner(run, tl.load_images(folder)).wait()
    browser = Browser(cleaner, monkeypatch)
    shown = [cleaner.names[index] for index in cleaner.order]
    wrong, first, second = (cleaner.names.index(name) for name in ("bright/wrong.png", "dark/5.png", "dark/copy.png"))
    assert shown[0] == "bright/wrong.png" and {"dark/5.png", "dark/copy.png"} <= set(shown) and len(shown) < 8
    reason, twin = cleaner.notes[wrong]
    assert "Mistake: dark predicted" in reason and "Suspected label error: dark" in reason and twin == -1
    assert cleaner.classes[cleaner.suggested[wrong]] == "dark"
    assert cleaner.notes[first][1] == second and "of dark/copy.png: dark." in cleaner.notes[first][0]
    browser.send("edit", [wrong], {"label": "dark", "dropped": "0"})
    browser.send("edit", [first], {"dropped": "0"})
    assert cleaner.status.startswith(f"{len(shown) - 2} of {len(shown)} suspects open, 0 dropped. dark/5.png: kept.")
    images, _ = load(folder)
    names = images.names.tolist()
    assert images.classes[images.labels[names.index("pets/bright/wrong.png")]] == "dark"
    groups = [images.groups[names.index(f"pets/dark/{name}.png")] for name in ("5", "copy")]
    assert groups[0] == groups[1]
    browser.send("edit", [second], {"dropped": "1"})
    assert len(load(folder)[0]) == len(images) - 1
    for _ in range(3):
        browser.send("undo")
    assert cleaner.reviews == "-" * len(cleaner.names)
    with pytest.warns(UserWarning, match="labels of 0 pictures and groups of 0, and drops 0"):
        assert np.array_equal(tl.load_images(folder).labels, cleaner._images.labels)
    assert list_contents(folder) == before


def test_reviewed_suspects_are_known_in_a_new_widget(suspicious, monkeypatch):
    folder, run = suspicious
    cleaner = PictureCleaner(run, tl.load_images(folder)).wait()
    index = cleaner.order[0]
    Browser(cleaner, monkeypatch).send("edit", [index], {"dropped": "0"})
    again = PictureCleaner(run, load(folder)[0]).wait()
    assert again.reviews[again.names.index(cleaner.names[index])] == "0"


def test_a_search_that_fails_says_so(suspicious, monkeypatch):
    folder, run = suspicious
    monkeypatch.setattr(type(run), "predict", lambda *_: (_ for _ in ()).throw(RuntimeError("no memory")))
    cleaner = PictureCleaner(run, tl.load_images(folder)).wait()
    assert cleaner.progress == "The search failed: RuntimeError: no memory" and cleaner.order == []


def test_pictures_from_elsewhere_are_refused_for_cleaning(suspicious, tmp_path):
    folder, run = suspicious
    with pytest.raises(TypeError, match="images: a str"):
        PictureCleaner(run, str(folder))
    with pytest.raises(ValueError, match="was not loaded from a folder"):
        PictureCleaner(run, tl.load_images("styles", domain="photo")[:3])
    table = [{"image": str(path), "label": path.parent.name + "s"} for path in folder.rglob("*.png")]
    with pytest.raises(ValueError, match="was not loaded from a folder"):
        PictureCleaner(run, tl.load_images(table))
    other = write_classes(tmp_path / "more", {"dark": 2, "bright": 2})
    with pytest.raises(ValueError, match="from 2 folders, expected one"):
        PictureCleaner(run, tl.load_images(folder) + tl.load_images(other))
