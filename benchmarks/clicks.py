"""How long a reader waits after a click or hover: each explorer in JupyterLab and Chromium, until the screen shows it.

Clicks every option of every group, some rounds over; options of the first round are drawn, later ones may be looked up.
Prints medians and 95th percentiles in milliseconds, and those of a widget without any drawing for comparison.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import explorers
import numpy as np
from playwright.sync_api import sync_playwright

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "tests/browser")]

START = f"""import sys
sys.path.insert(0, {str(HERE)!r})
import explorers, tlkit as tl
images = tl.load_images("styles", domain="clipart")"""
PLAIN = """import ipywidgets
plain = ipywidgets.ToggleButtons(options=["a", "b", "c"])
echo = ipywidgets.HTML("a")
plain.observe(lambda change: setattr(echo, "value", change.new), "value")
ipywidgets.VBox([plain, echo])"""

# Two frames after a change of the document, it is on the screen.
MEASURE = """
async ([output, nRounds]) => {
  const frames = (call) => requestAnimationFrame(() => requestAnimationFrame(call));
  const measure = async (act) => {
    let shown = null;
    const note = () => frames(() => (shown = performance.now()));
    const watch = new MutationObserver(note);
    for (const part of output.querySelectorAll(".tlkit-sheet, [role=status], .tlkit-tip, .widget-html"))
      watch.observe(part, { childList: true, subtree: true, characterData: true, attributes: true });
    const start = performance.now();
    act();
    const isOver = () => shown !== null && performance.now() - shown > 400;
    while (performance.now() - start < 3000 && !isOver()) await new Promise(frames);
    watch.disconnect();
    return shown === null ? [] : [shown - start];
  };
  const isOpen = (button) => !["aria-disabled", "aria-checked"].some((name) => button.getAttribute(name) === "true");
  const clicks = [];
  for (let round = 0; round < nRounds; round += 1) {
    clicks.push([]);
    for (const button of output.querySelectorAll("[role=radio], .widget-toggle-button"))
      if (isOpen(button)) clicks[round].push(...(await measure(() => button.click())));
  }
  const hovers = [];
  for (const mark of [...output.querySelectorAll("[data-words]")].slice(0, 10)) {
    const box = mark.getBoundingClientRect();
    const place = { clientX: box.x + box.width / 2, clientY: box.y + box.height / 2, bubbles: true };
    hovers.push(...(await measure(() => mark.dispatchEvent(new PointerEvent("pointermove", place)))));
  }
  return [clicks[0], clicks.slice(1).flat(), hovers];
}
"""


def main():
    """Open one notebook with all explorers, and measure them one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    arguments = parser.parse_args()
    from driver import Lobby
    from made_notebooks import write_notebook

    kinds = [name for name in dir(explorers) if name.startswith("prepare_")]
    cells = [START, PLAIN, *(f"explorers.{name}(images)[0]()" for name in kinds)]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        notebook = write_notebook(Path(folder) / "explorers.ipynb", cells)
        (Path(folder) / "lab").mkdir()
        lobby = Lobby(Path(folder) / "lab", {}, playwright)
        print("explorer     first click: median, 95 %   later clicks: median, 95 %   hover: median, 95 %   (n)")
        with lobby.open(notebook) as lab:
            lab.run_all()
            for number, name in enumerate(["plain", *kinds], 1):
                output = lab.output(number).last
                output.scroll_into_view_if_needed()
                parts = lab.page.evaluate(MEASURE, [output.element_handle(), arguments.rounds])
                print(f"{name.removeprefix('prepare_'):12} " + "  ".join(map(describe, parts)), flush=True)
        lobby.close()


def describe(durations_ms):
    """Return the median, the 95th percentile and the number of some durations, as text."""
    if not durations_ms:
        return f"{'–':>22}"
    return "{:8.0f} {:6.0f}  ({:3})".format(*np.percentile(durations_ms, [50, 95]), len(durations_ms))


if __name__ == "__main__":
    main()
