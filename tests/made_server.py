"""A file server on this machine that answers each path in its own way, well or badly."""

import contextlib
import http.server
import threading


class Server(http.server.ThreadingHTTPServer):
    """Answers each path in its own way; counts the requests."""

    def __init__(self, content):
        super().__init__(("127.0.0.1", 0), Handler)
        self.n_requests = 0
        self.content = content
        self.paths, self.ranges = [], []
        self.second_request, self.closing = threading.Event(), threading.Event()

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"

    def handle_error(self, request, client_address):
        """Say nothing of clients that left."""


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.n_requests += 1
        self.server.paths.append(self.path)
        self.server.ranges.append(self.headers["Range"])
        if self.server.n_requests == 2:
            self.server.second_request.set()
        getattr(self, "answer_" + self.path.rpartition("/")[2].partition(".")[0], self.answer_rest)()

    def start(self, **headers):
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def answer_whole(self):
        self.start(Content_Length=len(self.server.content))
        self.wfile.write(self.server.content)

    def answer_unannounced(self):
        self.start()
        self.wfile.write(self.server.content)

    def answer_cut(self):
        self.start(Content_Length=len(self.server.content))
        self.wfile.write(self.server.content[:3000])

    def answer_chunked(self):
        self.protocol_version = "HTTP/1.1"
        self.start(Transfer_Encoding="chunked")
        self.wfile.write(b"1000\r\n" + self.server.content[:50])
        self.close_connection = True

    def answer_garbage(self):
        self.wfile.write(b"220 mail.example.org ready\r\n")

    def answer_silent(self):
        self.server.closing.wait(30)

    def answer_stalled(self):
        self.start(Content_Length=len(self.server.content))
        self.wfile.write(self.server.content[:3000])
        self.server.closing.wait(30)

    def answer_rest(self, content=None, *, cut=None, version=None, wait=False, **headers):
        """Answer like a server that can take up a broken download; `cut` bytes are the most that it gives at once."""
        content, version = content or self.server.content, version or '"1"'
        asked = self.headers["Range"] if self.headers["If-Range"] in (None, version) else None
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            headers.setdefault("Content_Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        headers = {"Accept_Ranges": "bytes", "ETag": version, "Content_Length": len(content) - start} | headers
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content[start:][:cut])
        if wait:
            self.server.closing.wait(30)

    def answer_thirds(self):
        self.answer_rest(cut=len(self.server.content) // 3 + 1)

    def answer_drops(self):
        self.answer_rest(cut=10)

    def answer_pauses(self):
        is_first = self.server.n_requests == 1
        self.answer_rest(cut=3000 if is_first else None, wait=is_first)

    def answer_changed(self):
        if self.server.n_requests == 1:
            self.answer_rest(cut=3000)
        else:
            self.answer_rest(self.server.content[::-1], version='"2"')

    def answer_elsewhere(self):
        self.answer_rest(cut=3000, Content_Range=f"bytes 0-9/{len(self.server.content)}")

    def answer_gone(self):
        self.answer_rest(cut=3000) if self.server.n_requests == 1 else self.send_error(404)

    def answer_page(self):
        page = b"<html>Please log in</html>"
        self.start(Content_Length=len(page))
        self.wfile.write(page)

    def answer_redirect(self):
        self.send_response(302)
        self.send_header("Location", self.server.location)
        self.end_headers()

    def answer_missing(self):
        self.send_error(404)

    def answer_slow(self):
        # Gives another client the time to ask for the same, which it must not.
        self.server.second_request.wait(0.5)
        self.answer_whole()

    def log_message(self, format, *arguments):
        """Keep the tests' output clean."""


@contextlib.contextmanager
def serving(content):
    """Give a server of one content (bytes) that runs in a thread."""
    with Server(content) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join()
