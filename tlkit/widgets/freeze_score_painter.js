// A freeze score: one row per stage, one column per epoch, a learning rate in each cell, painted by mouse or keyboard.
// Python computes the costs of the score and the code that makes it.

function formatRate(rate) {
  return rate ? Number(rate.toPrecision(2)).toExponential().replace("+", "") : "frozen";
}

// Returns the grid's elements and its reactions for `follow`; ask(action, …arguments) requests an action of Python.
function makePainter(model, ask) {
  const parts = [...model.get("stages"), "head"];
  const rates = model.get("palette");
  const known = model.get("known");
  let chosen = rates.length - 1;
  let cursor = [0, 0];
  let painted = []; // the rates that are shown; they are sent to Python after each change
  let cells = [];

  const start = makeButtons({ label: "start with", texts: known.map(([, title]) => title) }, (place) => {
    if (place !== model.get("loaded")) ask("load", known[place][0]);
  });
  const palette = makeButtons({ label: "paint with", texts: rates.map((rate, number) => `${number}: ${formatRate(rate)}`) }, choose);
  palette.element.querySelectorAll("button").forEach((button, number) => {
    const swatch = make("span", { class: "tlkit-swatch", "aria-hidden": "true" });
    look(swatch, rates[number]);
    button.prepend(swatch);
  });
  const epochs = makeSlider(
    { label: "epochs", texts: Array.from({ length: model.get("most_epochs") }, (_, place) => `${place + 1}`) },
    (place) => resize(place + 1),
  );
  const solve = makeButtons({ label: "before the first epoch", kind: "toggles", texts: ["solve the head"] }, (places) =>
    send(model, "solves_head", places.length > 0));
  const settings = make("div", { class: "tlkit-settings" });
  settings.append(epochs.element, solve.element);
  const table = make("table", {
    role: "grid",
    class: "tlkit-grid",
    "aria-label": say("freeze score, one row per stage, one column per epoch: arrow keys move, Space paints, a digit chooses a ") +
      say("rate and paints, Shift with an arrow key moves and paints"),
  });
  const here = make("p", { class: "tlkit-here", "aria-live": "polite" });
  const summary = make("p", { class: "tlkit-summary" });
  const python = make("pre", { tabindex: "0", role: "region", "aria-label": "Python that makes this score" });
  const copied = make("span", { "aria-live": "polite", class: "tlkit-copied" });
  const copy = makeButton("Copy the Python", async () => {
    try {
      await navigator.clipboard.writeText(model.get("python"));
      copied.textContent = say(" copied");
    } catch {
      // Insecure pages have no clipboard: select the text, so that the reader can copy it.
      window.getSelection().selectAllChildren(python);
      copied.textContent = say(" selected: press Ctrl+C");
    }
  });
  const last = make("div");
  last.append(copy, copied);

  function look(element, rate) {
    element.classList.toggle("tlkit-frozen", !rate);
    const { low, high, colours } = model.get("scale");
    const fraction = Math.log(rate / low) / Math.log(high / low);
    const nearest = Math.round(Math.min(1, Math.max(0, fraction)) * (colours.length - 1));
    const [ground, ink] = rate ? colours[nearest] : ["", ""];
    element.style.background = ground;
    element.style.color = ink;
  }

  function choose(number) {
    chosen = number;
    palette.update(number);
  }

  const describeCell = ([row, column]) => {
    const rate = painted[row][column];
    const words = rate ? "{0}, epoch {1}: learning rate {2}" : "{0}, epoch {1}: frozen";
    return say(words, parts[row], column + 1, formatRate(rate));
  };

  function showCell(row, column) {
    const cell = cells[row][column];
    cell.textContent = formatRate(painted[row][column]);
    cell.setAttribute("aria-label", describeCell([row, column]));
    look(cell, painted[row][column]);
  }

  const save = () => send(model, "rates", painted.map((row) => [...row]));

  function build() {
    const hadFocus = table.contains(document.activeElement);
    const solves = model.get("solves_head");
    table.replaceChildren();
    table.style.setProperty("--tlkit-columns", painted[0].length + solves);
    const header = table.createTHead().insertRow();
    header.append(make("th", { scope: "col" }, "epoch"));
    if (solves) header.append(make("th", { scope: "col" }, "solve"));
    painted[0].forEach((_, column) => header.append(make("th", { scope: "col" }, column + 1)));
    const body = table.createTBody();
    cells = painted.map((row, index) => {
      const line = body.insertRow();
      line.append(make("th", { scope: "row", title: parts[index] }, parts[index]));
      const isHead = index === parts.length - 1;
      const words = say(isHead ? "{0}, before the first epoch: solved" : "{0}, before the first epoch: frozen", parts[index]);
      if (solves) {
        line.append(make("td", { role: "gridcell", "aria-label": words, class: `tlkit-solved ${isHead ? "" : "tlkit-frozen"}` }, isHead ? "★" : ""));
      }
      return row.map((_, column) => {
        const cell = make("td", { role: "gridcell", tabindex: "-1", "data-row": index, "data-column": column });
        line.append(cell);
        return cell;
      });
    });
    painted.forEach((row, index) => row.forEach((_, column) => showCell(index, column)));
    cursor = [cursor[0], Math.min(cursor[1], painted[0].length - 1)];
    cells[cursor[0]][cursor[1]].tabIndex = 0;
    if (hadFocus) cells[cursor[0]][cursor[1]].focus();
  }

  function show() {
    const given = model.get("rates");
    const same = painted.length && painted[0].length === given[0].length && table.rows.length;
    painted = given.map((row) => [...row]);
    epochs.update(painted[0].length - 1);
    if (same) painted.forEach((row, index) => row.forEach((_, column) => showCell(index, column)));
    else build();
  }

  function resize(n) {
    // New epochs copy the last one.
    painted = painted.map((row) => Array.from({ length: n }, (_, column) => row[Math.min(column, row.length - 1)]));
    build();
    save();
  }

  function moveTo(cell) {
    cells[cursor[0]][cursor[1]].tabIndex = -1;
    cursor = cell;
    const target = cells[cell[0]][cell[1]];
    target.tabIndex = 0;
    target.focus({ preventScroll: true });
    here.textContent = describeCell(cell);
  }

  // Paint all cells on the straight line between two: a fast mouse reports only some of them.
  function paintTo([row, column], from = [row, column]) {
    const n = Math.max(Math.abs(row - from[0]), Math.abs(column - from[1]), 1);
    for (let step = 0; step <= n; step++) {
      const at = [row, column].map((end, axis) => Math.round(from[axis] + ((end - from[axis]) * step) / n));
      painted[at[0]][at[1]] = rates[chosen];
      showCell(...at);
    }
    moveTo([row, column]);
    save();
  }

  function findCell(event) {
    const cell = document.elementFromPoint(event.clientX, event.clientY)?.closest("td[data-row]");
    return cell && table.contains(cell) ? [Number(cell.dataset.row), Number(cell.dataset.column)] : null;
  }

  let held = null; // the last painted cell while the mouse button is held
  table.addEventListener("pointerdown", (event) => {
    const cell = event.button === 0 && findCell(event);
    if (!cell) return;
    event.preventDefault();
    table.setPointerCapture(event.pointerId);
    held = cell;
    paintTo(cell);
  });
  table.addEventListener("pointermove", (event) => {
    const cell = held && findCell(event);
    if (!cell || (cell[0] === held[0] && cell[1] === held[1])) return;
    paintTo(cell, held);
    held = cell;
  });
  for (const name of ["pointerup", "pointercancel"]) table.addEventListener(name, () => (held = null));
  table.addEventListener("focusin", (event) => {
    const { row, column } = event.target.dataset;
    if (row !== undefined) here.textContent = describeCell([Number(row), Number(column)]);
  });

  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  table.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const bounds = [parts.length - 1, painted[0].length - 1];
    if (event.key in STEPS) {
      const to = cursor.map((at, axis) => Math.min(bounds[axis], Math.max(0, at + STEPS[event.key][axis])));
      if (event.shiftKey) paintTo(to, cursor);
      else moveTo(to);
    } else if (event.key === "Home" || event.key === "End") {
      moveTo([cursor[0], event.key === "Home" ? 0 : bounds[1]]);
    } else if (event.key === " " || event.key === "Enter") {
      paintTo(cursor);
    } else if (/^\d$/.test(event.key) && Number(event.key) < rates.length) {
      choose(Number(event.key));
      paintTo(cursor);
    } else return;
    event.preventDefault();
  });

  choose(chosen);
  return {
    elements: [start.element, palette.element, settings, table, here, summary, python, last],
    reactions: {
      "change:rates": show,
      "change:solves_head": () => { solve.update(model.get("solves_head") ? [0] : []); build(); },
      "change:loaded": () => start.update(model.get("loaded")),
      "change:summary change:python": () => {
        summary.textContent = model.get("summary");
        python.textContent = model.get("python");
        copied.textContent = "";
        copy.setAttribute("aria-disabled", !model.get("python"));
      },
    },
  };
}

