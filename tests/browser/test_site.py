"""The web site as `python3 start.py site` builds it: links, search, phones, lessons, and what axe finds."""

import functools
import html.parser
import http.server
import inspect
import operator
import re
import threading
import urllib.parse
from pathlib import Path

import pytest
import site_script

import tlkit as tl

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "build/site"
PAGES = (
    "docs/index.html",
    "docs/course.html",
    "docs/glossary.html",
    "notebooks/03_freeze.html",
    "docs/reference/names/tlkit.transfer.html",
    "zh/notebooks/03_freeze.html",
)


class Links(html.parser.HTMLParser):
    """Anchors and links of a page, and its pictures without alternative text."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.mute = {""}, [], []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.anchors.add(attributes.get("id", ""))
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag == "img" and not attributes.get("alt"):
            self.mute.append(attributes.get("src", "")[:60])


@pytest.fixture(scope="module")
def pages():
    if not (SITE / "index.html").exists():
        pytest.skip("needs the site: python3 start.py site")
    return {path: Links(path) for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts}


@pytest.fixture(scope="module")
def address(pages):
    """Return the address of a server of the site, on loopback."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def chromium(real_playwright):
    import driver

    browser = real_playwright.chromium.launch(executable_path=driver.find_chromium())
    yield browser
    browser.close()


@pytest.fixture
def open_page(chromium, address):
    """Return a function that opens a page; other servers are out of reach, and asking them is a failure."""
    contexts, asked = [], []

    def open_page(path, **settings):
        context = chromium.new_context(**settings)
        contexts.append(context)

        def answer(route):
            inside = route.request.url.startswith((address, "data:"))
            if not inside:
                asked.append(route.request.url)
            route.continue_() if inside else route.abort()

        context.route("**", answer)
        page = context.new_page()
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(address + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert asked == []


def list_dead(pages):
    """Return the links within the site that lead to no file or no place in it."""
    dead = []
    for path, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            found = pages.get(target)
            if not target.exists() or (found and urllib.parse.unquote(parts.fragment) not in found.anchors):
                dead.append((str(path.relative_to(SITE)), link))
    return dead


def test_no_link_is_dead(pages):
    assert list_dead(pages) == []
    path = next(iter(pages))
    page = Links(path)
    page.links = ["nowhere.html", "#nowhere", f"{path.name}#", "https://example.org/nowhere"]
    assert [link for _, link in list_dead({path: page})] == ["nowhere.html", "#nowhere"]


def test_every_picture_has_a_text(pages):
    assert {str(path.relative_to(SITE)): page.mute for path, page in pages.items() if page.mute} == {}


def test_each_lesson_and_each_public_name_has_a_page(pages):
    built = {path.stem for path in pages}
    assert {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")} <= built
    translated = {path.relative_to(SITE / "zh").with_suffix("").as_posix() for path in pages if "zh" in path.parts}
    assert set(site_script.list_pages()) <= translated
    faces = [tl, *(getattr(tl, name) for name in tl.__all__ if inspect.ismodule(getattr(tl, name)))]
    names = {f"{face.__name__}.{name}": getattr(face, name) for face in faces for name in face.__all__}
    core = [getattr(tl, name) for name in tl.__all__]  # has its pages whatever other faces list it
    missing = [name for name, public in names.items() if name not in built and public not in core]
    assert missing == []
    assert {f"tlkit.{name}" for name in tl.__all__ if not inspect.ismodule(getattr(tl, name))} <= built


def test_a_class_page_describes_its_own_methods_and_no_others(pages):
    for name in ("Comparison", "ImageSet", "TextSet", "Run", "Study", "widgets.CutExplorer", "FeatureExtractor"):
        public = operator.attrgetter(name)(tl)
        functions = [key for key, _ in inspect.getmembers_static(public, inspect.isfunction) if not key.startswith("_")]
        own = {key for key in functions if getattr(public, key).__module__.startswith("tlkit")}
        path = SITE / f"docs/reference/names/tlkit.{name}.html"
        described = {anchor.removeprefix(f"tlkit.{name}.") for anchor in pages[path].anchors}
        assert own and own == described & set(functions)


def test_from_the_start_page_to_a_lesson_and_to_a_term(open_page):
    page = open_page("", viewport={"width": 1280, "height": 900})
    page.wait_for_url("**/docs/index.html")
    page.locator("article").get_by_role("link", name="The course").click()
    page.locator("article").get_by_role("link", name="01 Why transfer").click()
    assert page.locator("article h1").first.inner_text().startswith("How far do five pictures")
    assert "[map of the course]" not in page.locator("article").inner_text()
    assert page.locator("article math").count() > 1  # formulas without a script from elsewhere
    page.locator("article").get_by_role("link", name="linear probe").first.click()
    assert page.url.endswith("docs/glossary.html#linear-probe")
    assert page.faults == []


def test_the_switch_leads_to_the_same_page_in_the_other_language_and_back(open_page):
    page = open_page("notebooks/01_why_transfer.html", viewport={"width": 1280, "height": 900})
    assert page.locator("html").get_attribute("lang") == "en"
    page.locator(".tlkit-languages a:visible").click()
    assert page.url.endswith("zh/notebooks/01_why_transfer.html")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    assert re.search("[\u4e00-\u9fff]{5}", page.locator("article h1").first.inner_text())
    assert page.locator("article").get_by_text("增大").count()  # an option of a stored prediction
    page.locator("article").get_by_role("link", name="线性探测").first.click()
    assert "docs/glossary.html#linear-probe" in page.url
    page.locator(".tlkit-languages a:visible").click()
    assert page.url.endswith("docs/glossary.html") and "zh/" not in page.url
    page = open_page("docs/how_to.html", viewport={"width": 1280, "height": 900})
    page.locator(".tlkit-languages a:visible").click()  # a page without a translation
    assert page.url.endswith("zh/docs/course.html")
    page.locator("article").get_by_role("link", name="02 选择网络").click()
    assert page.url.endswith("zh/notebooks/02_choose_a_network.html")
    assert page.faults == []


def test_search_finds_words_of_a_language_without_spaces(open_page):
    page = open_page("zh/search.html?q=负迁移")
    page.locator("#search-results li a").first.wait_for()
    assert page.locator("#search-results li a").count() > 2
    assert page.faults == []


def test_search_finds_a_function(open_page):
    page = open_page("search.html?q=extract_features")
    page.locator("#search-results li a").first.wait_for()
    assert page.locator("#search-results").get_by_role("link", name=re.compile("extract_features")).count()
    assert page.faults == []


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_shows_each_page_within_its_width(open_page, path):
    page = open_page(path, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.faults == []


@pytest.mark.parametrize("path", PAGES)
def test_axe_finds_nothing_serious_in_our_own_content(open_page, path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(path, viewport={"width": 1280, "height": 900})
    # Docutils itself gives the list of references a role whose children don't fit.
    context = {"include": [["article"]], "exclude": [[".citation-list"]]}
    found = axe.Axe().run(page, context=context).response
    assert found["passes"]
    serious = [fault for fault in found["violations"] if fault["impact"] in ("critical", "serious")]
    assert [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in serious] == []
