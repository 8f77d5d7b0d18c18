"""Downloads from a server on this machine: whole and right, or one error and nothing on the disk."""

import contextlib
import hashlib
import http.server
import socket
import threading
import time

import pytest

from tlkit.backbones import downloading
from tlkit.backbones.downloading import DownloadError, download

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Answers each path in its own way; counts the requests."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.n_requests = 0
        self.second_request, self.closing = threading.Event(), threading.Event()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def handle_error(self, request, client_address):
        """Say nothing of clients that left."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.n_requests += 1
        if self.server.n_requests == 2:
            self.server.second_request.set()
        getattr(self, "answer_" + self.path.rpartition("/")[2].partition(".")[0])()

    def start(self, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def answer_whole(self):
        self.start(Content_Length=len(CONTENT))
        self.wfile.write(CONTENT)

    def answer_unannounced(self):
        self.start()
        self.wfile.write(CONTENT)

    def answer_cut(self):
        self.start(Content_Length=len(CONTENT))
        self.wfile.write(CONTENT[:3000])

    def answer_chunked(self):
        self.protocol_version = "HTTP/1.1"
        self.start(Transfer_Encoding="chunked")
        self.wfile.write(b"1000\r\n" + CONTENT[:50])
        self.close_connection = True

    def answer_garbage(self):
        self.wfile.write(b"220 mail.example.org ready\r\n")

    def answer_silent(self):
        self.server.closing.wait(30)

    def answer_stalled(self):
        self.start(Content_Length=len(CONTENT))
        self.wfile.write(CONTENT[:3000])
        self.server.closing.wait(30)

    def answer_missing(self):
        self.send_error(404)

    def answer_slow(self):
        # Gives another client the time to ask for the same, which it must not.
        self.server.second_request.wait(0.5)
        self.answer_whole()

    def log_message(self, format, *arguments):
        """Keep the tests' output clean."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("TLKIT_WEIGHTS_URL", raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.closing.set()
        server.shutdown()
        thread.join()


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


@pytest.mark.parametrize("path", ["whole.pth", "unannounced.pth"])
def test_a_whole_file_arrives_with_its_very_bytes(path, server, target):
    download(server.url(path), target, expected_prefix=SHA256[:8])
    assert target.read_bytes() == CONTENT
    assert {path.name for path in target.parent.iterdir()} <= {"net.pth", "net.pth.lock"}


def test_a_file_that_is_there_is_not_fetched_again(server, target):
    download(server.url("whole.pth"), target)
    download(server.url("whole.pth"), target)
    assert server.n_requests == 1


def test_a_cut_connection_leaves_nothing_and_can_be_tried_again(server, target):
    assert f"broke off after 3000 of {len(CONTENT)} bytes" in refuse(server.url("cut.pth"), target)
    download(server.url("whole.pth"), target, expected_prefix=SHA256[:8])
    assert target.read_bytes() == CONTENT


def test_a_cut_connection_without_announced_length_leaves_nothing(server, target):
    assert "broke off" in refuse(server.url("chunked.pth"), target)


def test_another_file_than_the_expected_one_leaves_nothing(server, target):
    message = refuse(server.url("whole.pth"), target, expected_prefix="01234567")
    assert f"its SHA-256 begins {SHA256[:8]}, not 01234567" in message


def test_a_missing_file_is_said(server, target):
    assert "Not Found" in refuse(server.url("missing.pth"), target)


def test_a_server_that_speaks_another_language_is_said(server, target):
    assert "220 mail.example.org ready" in refuse(server.url("garbage.pth"), target)


@pytest.mark.parametrize("path", ["silent.pth", "stalled.pth"])
def test_a_server_that_goes_quiet_is_given_up(path, server, target, monkeypatch):
    monkeypatch.setattr(downloading, "CONNECT_TIMEOUT_S", 0.1)
    start = time.perf_counter()
    assert "timed out" in refuse(server.url(path), target)
    assert time.perf_counter() - start < 3


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
    for mirror in (server.url("mirror"), server.url("mirror/")):
        monkeypatch.setenv("TLKIT_WEIGHTS_URL", mirror)
        download("https://download.pytorch.org/models/whole.pth", target, expected_prefix=SHA256[:8])
        assert target.read_bytes() == CONTENT
        target.unlink()
    assert server.n_requests == 2


def test_a_full_disk_during_a_download_leaves_nothing(server, target, monkeypatch):
    @contextlib.contextmanager
    def full(path, mode):
        with open(path, mode) as file:
            file.write(b"a part")
            raise OSError(28, "No space left on device")
            yield file

    monkeypatch.setattr(downloading, "open", full, raising=False)
    with pytest.raises(OSError, match="No space left on device"):
        download(server.url("whole.pth"), target)
    assert {path.name for path in target.parent.iterdir()} <= {"net.pth.lock"}
