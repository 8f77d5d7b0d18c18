"""Downloads from a server on this machine: whole and right, or one error and nothing on the disk."""

import contextlib
import hashlib
import io
import os
import re
import shutil
import signal
import socket
import threading
import urllib.request
from types import SimpleNamespace

import filelock
import pytest
from made_server import serving

from tlkit.backbones.weights import download as download_module
from tlkit.backbones.weights.download import DownloadError, _SecureRedirects, download, name_impostor

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("TLKIT_WEIGHTS_URL", raising=False)
    monkeypatch.setattr(download_module, "PAUSE_S", 0.01)
    with serving(CONTENT) as server:
        yield server


@pytest.fixture
def target(tmp_path):
    return tmp_path / "weights" / "net.pth"


def refuse(url, target, **options):
    """Return the message of the download's one error; of the file nothing may be left."""
    with pytest.raises(DownloadError) as caught:
        download(url, target, **options)
    assert url in str(caught.value)
    assert [path.name for path in target.parent.iterdir()] in ([], ["net.pth.lock"])
    return str(caught.value)


@pytest.mark.parametrize("path", ["whole.pth", "unannounced.pth", "rest.pth"])
def test_a_whole_file_arrives_with_its_very_bytes(path, server, target):
    assert download(server.url(path), target, expected_prefix=SHA256[:8]) == SHA256
    assert target.read_bytes() == CONTENT
    assert {path.name for path in target.parent.iterdir()} <= {"net.pth", "net.pth.lock"}


def test_a_file_that_is_there_is_not_fetched_again(server, target):
    assert download(server.url("whole.pth"), target) == SHA256
    target.write_bytes(b"as it was")
    assert download(server.url("whole.pth"), target) is None
    assert (server.n_requests, target.read_bytes()) == (1, b"as it was")
    assert download(server.url("whole.pth"), target, replace=True) == SHA256
    assert target.read_bytes() == CONTENT


def test_a_cut_connection_leaves_nothing_and_can_be_tried_again(server, target):
    assert f"broke off after 3000 of {len(CONTENT)} bytes" in refuse(server.url("cut.pth"), target)
    download(server.url("whole.pth"), target, expected_prefix=SHA256[:8])
    assert target.read_bytes() == CONTENT


def test_a_cut_connection_without_announced_length_leaves_nothing(server, target):
    assert "broke off" in refuse(server.url("chunked.pth"), target)


def test_what_nothing_could_tell_to_be_whole_is_refused(server, target):
    assert "states no length" in refuse(server.url("unannounced.pth"), target)


def test_a_broken_download_is_taken_up_where_it_broke(server, target):
    third = len(CONTENT) // 3 + 1
    assert download(server.url("thirds.pth"), target) == SHA256
    assert target.read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={third}-", f"bytes={2 * third}-"]


def test_a_download_that_stalls_is_taken_up_too(server, target, monkeypatch):
    monkeypatch.setattr(download_module, "TIMEOUT_S", 0.2)
    assert download(server.url("pauses.pth"), target) == SHA256
    assert server.ranges == [None, "bytes=3000-"]


def test_a_connection_that_always_breaks_is_given_up(server, target):
    assert f"broke off after 50 of {len(CONTENT)} bytes" in refuse(server.url("drops.pth"), target)
    assert server.n_requests == download_module.N_TRIES == 5


@pytest.mark.parametrize("path", ["changed.pth", "elsewhere.pth"])
def test_two_files_are_never_joined_to_one(path, server, target):
    assert "answered the request for the rest with something else" in refuse(server.url(path), target)
    assert server.n_requests == 2


def test_a_file_that_goes_away_in_between_is_said(server, target):
    message = refuse(server.url("gone.pth"), target)
    assert "broke off after 3000" in message
    assert "Not Found" in message


def test_a_web_page_instead_of_the_file_leaves_nothing(server, target):
    assert "gave a web page" in refuse(server.url("page.pth"), target)


def test_a_disk_without_room_is_said_before_anything_is_written(server, target, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=500_000))
    message = refuse(server.url("whole.pth"), target)
    assert "has 1 MB, and only 0 MB are free" in message or "has 1 MB, and only 1 MB are free" in message
    assert "TLKIT_CACHE_DIR" in message


def test_ctrl_c_leaves_nothing(server, target, monkeypatch):
    real, begun = download_module._read_blocks, []

    def read_pieces(response):
        yield next(real(response))
        begun.extend(target.parent.glob(".partial-*"))
        signal.raise_signal(signal.SIGINT)  # in the midst of it, whatever else this machine does

    monkeypatch.setattr(download_module, "_read_blocks", read_pieces)
    with pytest.raises(KeyboardInterrupt):
        download(server.url("whole.pth"), target)
    assert begun
    assert {path.name for path in target.parent.iterdir()} <= {"net.pth.lock"}


def test_a_bar_is_shown_only_where_asked_for(server, target, capsys):
    download(server.url("whole.pth"), target)
    assert capsys.readouterr().err == ""
    download(server.url("whole.pth"), target, replace=True, progress=True)
    assert "net.pth: 100%" in capsys.readouterr().err


def test_another_file_than_the_expected_one_leaves_nothing(server, target):
    message = refuse(server.url("whole.pth"), target, expected_prefix="01234567")
    assert f"its SHA-256 begins {SHA256[:8]}, not 01234567" in message


def test_a_missing_file_is_said(server, target):
    assert "Not Found" in refuse(server.url("missing.pth"), target)


def test_a_server_that_speaks_another_language_is_said(server, target):
    assert "220 mail.example.org ready" in refuse(server.url("garbage.pth"), target)


@pytest.mark.parametrize("path", ["silent.pth", "stalled.pth"])
def test_a_server_that_goes_quiet_is_given_up(path, server, target, monkeypatch):
    monkeypatch.setattr(download_module, "TIMEOUT_S", 0.1)
    # Had the server been waited for, it would have closed the connection, which is another error.
    assert re.search("timed out|no answer", refuse(server.url(path), target))


def test_a_closed_port_and_no_url_at_all_are_said(target):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert "refused" in refuse(f"http://127.0.0.1:{port}/whole.pth", target)
    assert "unknown url type" in refuse("whole.pth", target)


def test_two_that_want_the_same_fetch_it_once(server, target):
    errors = []

    def client():
        try:
            download(server.url("slow.pth"), target, expected_prefix=SHA256[:8])
        except DownloadError as error:
            errors.append(error)

    threads = [threading.Thread(target=client) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert server.n_requests == 1
    assert target.read_bytes() == CONTENT


def test_a_mirror_named_in_the_environment_is_asked_instead(server, target, monkeypatch):
    # Under the name that the file gets here: publishers call many of them the same.
    target = target.with_name("whole.safetensors")
    for mirror in (server.url("mirror"), server.url("mirror/")):
        monkeypatch.setenv("TLKIT_WEIGHTS_URL", mirror)
        download("https://huggingface.co/a/b/resolve/main/model.safetensors", target, expected_prefix=SHA256[:8])
        assert target.read_bytes() == CONTENT
        target.unlink()
    assert server.paths == ["/mirror/whole.safetensors"] * 2


def test_a_full_disk_during_a_download_leaves_nothing(server, target, monkeypatch):
    @contextlib.contextmanager
    def full(path, mode):
        with open(path, mode) as file:
            file.write(b"a part")
            raise OSError(28, "No space left on device")
            yield file

    monkeypatch.setattr(download_module, "open", full, raising=False)
    with pytest.raises(OSError, match="No space left on device"):
        download(server.url("whole.pth"), target)
    assert {path.name for path in target.parent.iterdir()} <= {"net.pth.lock"}


@pytest.mark.parametrize(
    "content", [b'{"error": "quota exceeded"}', b" [1]\n", "Kein Zugriff: Größe".encode(), b"\r\n<?xml version='1.0'?>"]
)
def test_a_text_instead_of_the_file_leaves_nothing(content, server, target):
    server.content = content
    assert re.search("gave a (text that begins with|web page)", refuse(server.url("whole.pth"), target))


def test_weights_that_begin_as_a_text_might_are_no_text():
    header = b" " * 3 + b"<" + bytes(4)  # the length of a header of safetensors
    assert name_impostor(header + b'{"fc.weight":{}}') is None
    assert name_impostor(b"") is None
    assert name_impostor("é".encode() * 60 + b"e") is not None
    assert name_impostor(b"e" + "é".encode() * 60) is not None, "the last letter is cut"


def test_another_process_that_holds_the_lock_is_told_and_waited_for_only_so_long(server, target, monkeypatch):
    monkeypatch.setattr(download_module, "NOTICE_S", 0.01)
    monkeypatch.setattr(download_module, "WAIT_S", 0.05)
    target.parent.mkdir()
    lock = f"{target}.lock"
    holder = rf"(process {os.getpid()}|another process) holds {re.escape(lock)}, as a download of net\.pth does"
    with (
        filelock.FileLock(lock),
        pytest.warns(UserWarning, match=holder + "; waiting for up to 0 minutes"),
        pytest.raises(DownloadError, match=holder + ", and didn't end. If it hangs, end it and try again"),
    ):
        download(server.url("whole.pth"), target)
    assert server.n_requests == 0
    assert download(server.url("whole.pth"), target) == SHA256


def redirect(*hops):
    """Return the address that the handler of redirects opens at the end of several addresses."""
    handler, request = _SecureRedirects(), urllib.request.Request(hops[0])
    for url in hops[1:]:
        request = handler.redirect_request(request, io.BytesIO(), 302, "Found", {}, url)
    return request.full_url


@pytest.mark.parametrize(
    "hops",
    [
        ("https://a/w", "http://a/w"),
        ("https://a/w", "https://b/w", "HTTP://c/w"),
        ("http://a/w", "https://b/w", "http://c/w"),
        ("https://a/w", "ftp://a/w"),
        ("http://a/w", "ftp://a/w"),
    ],
)
def test_no_redirect_leaves_encryption(hops):
    with pytest.raises(DownloadError, match=f"redirected from https? to {hops[-1]}, which isn't encrypted"):
        redirect(*hops)


@pytest.mark.parametrize(
    "hops", [("https://a/w", "https://b/w"), ("http://a/w", "http://b/w"), ("http://a/w", "https://b/w")]
)
def test_other_redirects_are_followed(hops):
    assert redirect(*hops) == hops[-1]


def test_redirects_of_a_server_go_through_that_handler(server, target):
    server.location = server.url("whole.pth")
    assert download(server.url("redirect.pth"), target) == SHA256
    server.location = "ftp://127.0.0.1/whole.pth"
    target.unlink()
    assert "redirected from http to ftp" in refuse(server.url("redirect.pth"), target)
