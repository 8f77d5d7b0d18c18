"""The exported page, opened from its file without a network: pictures, keyboard, camera, themes and a narrow window."""

import numpy as np
import pytest
import torch
from made_networks import make_tiny_backbone
from made_pictures import make_picture, write_classes
from PIL import Image

import tlkit as tl
from tlkit.export.export import make_variants

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'")
expect = sync_api.expect
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
FLAGS += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of eight classes that rejects most pictures unlike its own."""
    names = ["apple", "ball", "cup", "dice", "egg", "fork", "glass", "hat"]
    counts = dict.fromkeys(names, 6)
    images = tl.load_images(write_classes(tmp_path_factory.mktemp("pictures") / "desk", counts))
    others = tl.load_images(write_classes(tmp_path_factory.mktemp("others") / "desk", counts, 50))
    # Of a tuned network, no faster form is made for predictions, which would take seconds.
    run = tl.transfer(make_tiny_backbone(), images, tl.Strategy([tl.Phase(["all"], 1, 1e-3)]), progress=False)
    run.fit_rejection(others, 0.3)
    with torch.no_grad():
        run.head.weight *= 20  # so that a picture that is read otherwise shows
    return run


@pytest.fixture(scope="module")
def page_path(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("web") / "page"
    facts = run.export(folder, "web")
    assert facts["checked_in"].endswith("the page itself")
    assert facts["n_checked"] == 50 and facts["largest_difference"] <= 0.01
    return folder / "index.html"


@pytest.fixture(scope="module")
def browser(real_playwright):
    import driver

    browser = real_playwright.chromium.launch(executable_path=driver.find_chromium(), args=FLAGS)
    yield browser
    browser.close()


@pytest.fixture
def page(browser, page_path):
    context = browser.new_context(offline=True, viewport={"width": 390, "height": 844})
    page = context.new_page()
    faults, requests = [], []
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(page_path.as_uri())
    expect(page.locator("#status")).to_have_text("Ready. The network runs in this page.", timeout=60_000)
    yield page
    assert faults == []
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


def read_bars(page, run):
    """Return the shown probabilities, (n_classes,), in the order of the run's classes."""
    page.locator("#rest").evaluate("(element) => { element.open = true; }")
    names, shares = page.locator(".bars span").all_inner_texts(), page.locator(".bars b").all_inner_texts()
    shares = np.array([float(share.removesuffix("%")) / 100 for share in shares])
    widths = page.locator(".bars i").evaluate_all("(bars) => bars.map((bar) => bar.getBoundingClientRect().width)")
    assert np.array(widths) / max(widths) == pytest.approx(shares / max(shares), abs=0.04)
    shown = dict(zip(names, shares, strict=True))
    return np.array([shown[name] for name in run.classes])


def test_every_kind_of_picture_gets_the_probabilities_of_the_run(page, run, tmp_path):
    paths = make_variants(make_picture(3, (400, 300)), tmp_path)
    for format in ("WEBP", "GIF", "BMP"):
        path = tmp_path / f"drawing.{format.lower()}"
        make_picture(4, (120, 90)).save(path)
        paths.append(path)
    for colour in ("black", "orange"):
        paths.append(tmp_path / f"{colour}.png")
        Image.new("RGB", (30, 20), colour).save(paths[-1])
    pale = Image.new("RGBA", (60, 40), (0, 0, 0, 0))
    pale.paste((250, 250, 250, 255), (20, 10, 40, 30))
    pale.save(tmp_path / "pale.png")  # which the kit puts on black
    paths.append(tmp_path / "pale.png")
    table = run.classify(paths)
    for path, expected, row in zip(paths, run.predict(paths), table.itertuples(), strict=True):
        page.locator("#file").set_input_files(path)
        expect(page.locator("#status")).to_contain_text(f"{path.name}: ")
        assert read_bars(page, run) == pytest.approx(expected, abs=0.004), path.name
        verdict = "None of the above" if row.rejected else row[2]
        assert page.locator("#verdict").inner_text().startswith(verdict), path.name
        assert page.locator("#shown").get_attribute("alt") == f"The picture {path.name}"
    assert table["rejected"].any() and not table["rejected"].all()


def test_pictures_are_dropped_and_pasted(page, run, tmp_path):
    path = tmp_path / "cup.png"
    make_picture(13, (40, 30)).save(path)
    give = """([kind, data]) => {
      const files = new DataTransfer(), content = Uint8Array.from(data);
      files.items.add(new File([content], "cup.png", {type: "image/png"}));
      const event = kind === "drop" ? new DragEvent("drop", {dataTransfer: files, bubbles: true, cancelable: true})
        : new ClipboardEvent("paste", {clipboardData: files, bubbles: true});
      document.getElementById("drop").dispatchEvent(event);
    }"""
    for kind in ("drop", "paste"):
        page.locator("#answer").evaluate("(element) => { element.hidden = true; }")
        page.evaluate(give, [kind, list(path.read_bytes())])
        expect(page.locator("#answer")).to_be_visible()
        assert read_bars(page, run) == pytest.approx(run.predict([path])[0], abs=0.004)


def test_what_is_no_picture_gets_a_clear_word(page, tmp_path):
    broken, deep, clear = tmp_path / "broken.jpg", tmp_path / "deep.png", tmp_path / "clear.png"
    broken.write_bytes(b"\xff\xd8 no picture")
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(deep)
    Image.new("RGBA", (9, 9)).save(clear)
    words = {broken: "can't read its format", deep: "16 bits", clear: "transparent"}
    for path, word in words.items():
        page.locator("#file").set_input_files(path)
        expect(page.locator("#status")).to_contain_text(word)
        expect(page.locator("#answer")).to_be_hidden()


def test_the_camera_is_used_until_it_is_stopped(page):
    page.locator("#camera").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Camera: ")
    expect(page.locator("#video")).to_be_visible()
    expect(page.locator("#answer")).to_be_visible()
    expect(page.locator("#camera")).to_have_text("Stop the camera")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_have_text("The camera is off.")
    expect(page.locator("#video")).to_be_hidden()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "MediaDevices.prototype.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); }",
            "Allow",
        ),
        (
            "MediaDevices.prototype.getUserMedia = async () => { throw new DOMException('', 'NotFoundError'); }",
            "no camera",
        ),
        ("Object.defineProperty(navigator, 'mediaDevices', {value: undefined})", "https"),
    ],
)
def test_without_a_camera_there_is_a_clear_word(page, change, words):
    page.evaluate(f"() => {{ {change}; }}")
    page.locator("#camera").click()
    expect(page.locator("#status")).to_contain_text(words)
    expect(page.locator("#status")).to_contain_text("hoose a picture")
    expect(page.locator("#video")).to_be_hidden()


SLOW_CAMERA = """() => {
  const real = MediaDevices.prototype.getUserMedia;
  window.opened = [];
  const look = (test, done) => test() ? done() : setTimeout(look, 10, test, done);
  window.until = (test) => new Promise((done) => look(test, done));
  window.allowed = new Promise((allow) => { window.allow = allow; });
  MediaDevices.prototype.getUserMedia = async function (asked) {
    opened.push(await real.call(this, asked));
    const own = opened.at(-1);
    await allowed;
    return own;
  };
}"""
LIVE = "() => opened.map((each) => each.getTracks().some((track) => track.readyState === 'live'))"


def test_a_camera_that_comes_late_is_left_alone_by_a_later_click_or_picture(page, tmp_path):
    page.evaluate(SLOW_CAMERA)
    page.locator("#camera").click()
    page.locator("#camera").click()
    page.evaluate("until(() => opened.length === 2)")
    page.evaluate("allow()")
    expect(page.locator("#status")).to_contain_text("Camera: ")
    assert page.evaluate(LIVE) == [False, True]
    page.locator("#camera").click()
    assert page.evaluate(LIVE) == [False, False]
    page.evaluate(SLOW_CAMERA)
    page.locator("#camera").click()
    page.evaluate("until(() => opened.length >= 1)")
    make_picture(13, (40, 30)).save(tmp_path / "cup.png")
    page.locator("#file").set_input_files(tmp_path / "cup.png")
    expect(page.locator("#status")).to_contain_text("cup.png: ")
    page.evaluate("allow()")
    page.evaluate("until(() => opened[0].getTracks().every((track) => track.readyState === 'ended'))")
    expect(page.locator("#video")).to_be_hidden()
    expect(page.locator("#status")).to_contain_text("cup.png: ")


def test_a_network_that_can_not_be_loaded_is_not_waited_for(browser, page_path, tmp_path):
    context = browser.new_context(offline=True)
    page = context.new_page()
    page.add_init_script("delete window.WebAssembly")
    page.goto(page_path.as_uri())
    words = "The network can't be loaded: this browser is too old; use one from 2023 or newer."
    expect(page.locator("#status")).to_have_text(words)
    make_picture(13, (40, 30)).save(tmp_path / "cup.png")
    page.locator("#file").set_input_files(tmp_path / "cup.png")
    page.locator("#camera").click()
    expect(page.locator("#status")).to_have_text(words)
    context.close()


def test_keyboard_card_and_accessibility_in_both_themes(page, tmp_path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs the extra 'browser'")
    path = tmp_path / "cup.png"
    make_picture(13, (400, 300)).save(path)
    page.locator("#file").set_input_files(path)
    expect(page.locator("#answer")).to_be_visible()
    page.keyboard.press("Tab")
    reached = []
    for _ in range(5):
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
        page.keyboard.press("Tab")
    assert {"file", "camera"} <= set(reached) and "About this model" in reached
    page.locator("#about summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#card")).to_contain_text("Licences")
    assert "tiny" in page.title() and page.title() == page.locator("h1").inner_text()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        findings = axe.Axe().run(page).response["violations"]
        assert [(finding["id"], finding["nodes"][0]["html"]) for finding in findings] == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.screenshot(path=tmp_path / f"{theme}.png", full_page=True)
