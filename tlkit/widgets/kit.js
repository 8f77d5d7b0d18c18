// Functions that the scripts of all widgets share; Python puts them before each script.

const WAIT_MS = 300; // before a reader is told that the kernel is still at work
const DEAF_MS = 10000; // before a reader is told that it might not answer

const WORDS = {}; // {English text: the reader's}, which Python fills in
const READ = ["aria-label", "placeholder", "title"]; // attributes that readers see or hear

let nNames = 0;

// Return a text in the reader's language, with values for its {0}, {1} …
function say(text, ...values) {
  const words = Object.hasOwn(WORDS, text) ? WORDS[text] : String(text);
  return values.length ? words.replace(/\{(\d)\}/g, (_, place) => say(values[place])) : words;
}

function make(name, attributes = {}, text = "") {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, READ.includes(key) ? say(value) : value);
  element.textContent = say(text);
  return element;
}

// The element of a widget. JupyterLab would treat keys that are pressed in it as commands if they left it. Only Ctrl+S
// does, which saves the notebook; the press of Ctrl comes first.
function makeBox(name) {
  const box = make("div", { class: `tlkit-box ${name}` });
  const suppress = (isOn) => box.toggleAttribute("data-lm-suppress-shortcuts", isOn);
  suppress(true);
  box.addEventListener("keydown", (event) => {
    const saves = (event.ctrlKey || event.metaKey) && ["Control", "Meta", "s"].includes(event.key);
    suppress(!saves);
    if (!saves) event.stopPropagation();
  });
  for (const type of ["keypress", "keyup"]) box.addEventListener(type, (event) => event.stopPropagation());
  for (const type of ["keyup", "focusout"]) box.addEventListener(type, () => suppress(true));
  return box;
}

// Call functions with the model's changes now and later; return a function that ends it.
function follow(model, reactions) {
  for (const [events, react] of Object.entries(reactions)) {
    model.on(events, react);
    react();
  }
  return () => Object.entries(reactions).forEach(([events, react]) => model.off(events, react));
}

// Set a trait of the model and send it.
function send(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

function makeButton(text, press, attributes = {}) {
  const button = make("button", { type: "button", ...attributes }, text);
  button.addEventListener("click", () => button.getAttribute("aria-disabled") === "true" || press());
  return button;
}

// A sentence that screen readers read aloud when it changes.
function makeStatus() {
  return make("p", { class: "tlkit-status", role: "status", "aria-live": "polite" });
}

// Returns wait(waits), which shows readers that Python hasn't answered yet, or has.
function makeWait(box, status) {
  let timers = [];
  return (waits) => {
    timers.forEach(clearTimeout);
    box.setAttribute("aria-busy", waits);
    box.classList.remove("tlkit-busy");
    timers = !waits ? [] : [
      setTimeout(() => box.classList.add("tlkit-busy"), WAIT_MS),
      setTimeout(() => (status.textContent = say("Waiting for the kernel. If it isn't busy, run the cell again.")), DEAF_MS),
    ];
  };
}

function moveBy(key, place, last) {
  const moves = { ArrowLeft: place - 1, ArrowUp: place - 1, ArrowRight: place + 1, ArrowDown: place + 1 };
  return { ...moves, Home: 0, End: last }[key];
}

// Let arrows, Home and End move among buttons that aren't disabled, and choose(place).
function addArrows(element, getButtons, choose) {
  element.addEventListener("keydown", (event) => {
    const buttons = getButtons();
    const at = buttons.indexOf(event.target);
    let to = at < 0 || event.ctrlKey || event.metaKey || event.altKey ? undefined : moveBy(event.key, at, buttons.length - 1);
    if (to === undefined) return;
    event.preventDefault();
    const step = event.key === "Home" || (event.key !== "End" && to > at) ? 1 : -1;
    for (let tries = buttons.length; tries--; to += step) {
      to = (to + buttons.length) % buttons.length;
      if (buttons[to].getAttribute("aria-disabled") === "true") continue;
      buttons[to].focus();
      if (to !== at) choose(to);
      return;
    }
  });
}

// Return positions with one more or, if it is there, one less.
function toggle(places, place) {
  return places.includes(place) ? places.filter((other) => other !== place) : [...places, place].sort((a, b) => a - b);
}

// A group of buttons with a label. Of "radio" one is chosen, and arrows, Home and End choose; of "toggles" any number.
// Returns its element and update(chosen, disabled), with positions of the options.
function makeButtons({ kind = "radio", label, texts, unit = "" }, choose) {
  const one = kind === "radio";
  const name = `tlkit-${Date.now()}-${nNames++}`;
  const element = make("div", { class: "tlkit-control", role: one ? "radiogroup" : "group", "aria-labelledby": name });
  const row = make("div", { class: "tlkit-options" });
  const mark = one ? "aria-checked" : "aria-pressed";
  let chosen = [];
  const buttons = texts.map((text, place) =>
    makeButton(text, () => {
      if (one) return choose(place);
      choose(toggle(chosen, place));
    }, one ? { role: "radio" } : {}));
  addArrows(row, () => buttons, one ? choose : () => {});
  row.append(...buttons, unit);
  element.append(make("div", { id: name, class: "tlkit-label" }, label), row);
  function update(value, disabled = []) {
    chosen = one ? [value] : value;
    buttons.forEach((button, place) => {
      button.setAttribute(mark, chosen.includes(place));
      button.setAttribute("aria-disabled", disabled.includes(place));
    });
    // One stop of the tabulator for the whole group.
    const stop = one && buttons[value] ? value : Math.max(0, buttons.indexOf(document.activeElement));
    buttons.forEach((button, place) => (button.tabIndex = place === stop ? 0 : -1));
  }
  return { element, update };
}

function makeSlider({ label, texts, unit = "" }, choose) {
  const element = make("div", { class: "tlkit-control" });
  const input = make("input", { type: "range", min: 0, max: texts.length - 1, step: 1, "aria-label": label });
  const output = make("span", { "aria-hidden": "true" }); // the slider has it as its text
  const write = (place) => {
    output.textContent = `${texts[place]} ${unit}`.trim();
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    write(Number(input.value));
    choose(Number(input.value));
  });
  const row = make("div", { class: "tlkit-options" });
  row.append(input, output);
  element.append(make("div", { class: "tlkit-label" }, label), row);
  function update(place) {
    // A slider that is being moved is ahead of the kernel.
    if (document.activeElement !== input || Number(input.value) === place) input.value = place;
    write(Number(input.value));
  }
  return { element, update };
}

function makeControl(control, choose) {
  return (control.kind === "slider" ? makeSlider : makeButtons)(control, choose);
}

// The place of the nearest mark within 45 degrees of an arrow key; the current place if there is none.
function findAhead(marks, current, key) {
  const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] ?? [0, 0];
  if (!right && !down) return undefined;
  const middles = marks.map((mark) => mark.getBoundingClientRect()).map((box) => [box.left + box.width / 2, box.top + box.height / 2]);
  const [x, y] = middles[current];
  let [best, least] = [current, Infinity];
  middles.forEach(([across, along], place) => {
    const ahead = (across - x) * right + (along - y) * down;
    const distance = Math.hypot(across - x, along - y);
    if (ahead > 0 && distance <= Math.SQRT2 * ahead && distance < least) [best, least] = [place, distance];
  });
  return best;
}

// A drawing. Python marks parts of it with "kind:place|words": the words are shown when a reader points at them, and
// click(kind, places) is called when one of the clickable kinds is clicked. Arrow keys move from mark to mark, Enter clicks.
// decorate(element, kind, places) may add something to the words.
// Markers of a scatter or curve are "kind:place:*numbers", with words on a line for each; arrow keys move to one in their
// direction.
function makeFigure(click = () => {}, isClickable = () => false, decorate = () => {}) {
  const element = make("div", { class: "tlkit-figure" });
  const sheet = make("div", { class: "tlkit-sheet", role: "group", tabindex: "0" });
  const tip = make("div", { class: "tlkit-tip", hidden: "" });
  const read = make("div", { class: "tlkit-unseen", "aria-live": "polite" });
  element.append(sheet, tip, read);
  const layers = { frame: "", drawing: "" };
  let marks = [], current = -1, byKeys = false;
  const readPlaces = (mark) => mark.dataset.place.split(":").map(Number);

  function point(mark, aloud = false) {
    byKeys = aloud;
    tip.hidden = !mark?.dataset.words;
    sheet.querySelectorAll(".tlkit-current").forEach((old) => old.classList.remove("tlkit-current"));
    if (tip.hidden) return;
    tip.textContent = mark.dataset.words;
    decorate(tip, mark.dataset.kind, readPlaces(mark));
    if (aloud) {
      read.textContent = tip.textContent;
      mark.classList.add("tlkit-current");
    }
    const [around, box] = [element.getBoundingClientRect(), mark.getBoundingClientRect()];
    const left = box.left + box.width / 2 - around.left - tip.offsetWidth / 2;
    tip.style.left = `${Math.max(0, Math.min(left, around.width - tip.offsetWidth))}px`;
    const above = box.top - around.top - tip.offsetHeight - 6;
    tip.style.top = `${above >= 0 ? above : box.bottom - around.top + 6}px`;
  }
  const find = (event) => event.target.closest?.("[data-kind]");
  const press = (mark) => mark?.classList.contains("tlkit-clickable") && click(mark.dataset.kind, readPlaces(mark));
  // A mouse that rests on the drawing while the keyboard is used changes nothing.
  let under = null;
  sheet.addEventListener("pointermove", (event) => find(event) !== under && point((under = find(event))));
  sheet.addEventListener("pointerleave", () => {
    under = null;
    if (!byKeys) point(null);
  });
  sheet.addEventListener("click", (event) => press(find(event)));
  sheet.addEventListener("blur", () => point(null));
  sheet.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return point(null);
    if ((event.key === "Enter" || event.key === " ") && marks[current]) press(marks[current]);
    else {
      const ahead = marks[current]?.matches("use") ? findAhead(marks, current, event.key) : undefined;
      const to = ahead ?? (marks.length ? moveBy(event.key, current, marks.length - 1) : undefined);
      if (to === undefined) return;
      current = Math.max(0, Math.min(to, marks.length - 1));
      point(marks[current], true);
    }
    event.preventDefault();
  });

  function show(frame, drawing, sentence) {
    sheet.setAttribute("aria-label", say("Figure. {0}", sentence));
    if (layers.frame === frame && layers.drawing === drawing) return;
    Object.assign(layers, { frame, drawing });
    point(null);
    sheet.innerHTML = frame + drawing;
    for (const svg of sheet.children) {
      svg.setAttribute("role", "presentation");
      const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
      sheet.style.setProperty("--tlkit-width", `${(width * 100) / 72}px`);
      sheet.style.setProperty("--tlkit-aspect", width / height);
    }
    for (const group of sheet.querySelectorAll("g[id]")) {
      const [name, ...words] = group.id.split("|");
      group.removeAttribute("id"); // those of two drawings on a page would clash
      if (!words.length) continue;
      const [kind, ...place] = name.split(":");
      const isMany = place.at(-1)?.startsWith("*");
      const numbers = isMany ? place.pop().slice(1).split(",") : [];
      const each = isMany ? words.join("|").split("\n") : [words.join("|")];
      (isMany ? [...group.querySelectorAll("use")] : [group]).forEach((part, number) => {
        const own = isMany ? [...place, numbers[number] || number] : place;
        Object.assign(part.dataset, { kind, place: own.join(":"), words: each[number] });
        if (isClickable(kind)) part.classList.add("tlkit-clickable");
      });
    }
    marks = [...sheet.querySelectorAll("[data-kind]")];
    // A reader who has pressed Enter goes on from the same mark.
    if (current >= marks.length) current = -1;
    if (document.activeElement === sheet && marks[current]) point(marks[current], true);
  }
  return { element, show };
}

