// A prediction: ten chips, spread over options. The browser keeps it until Python has written it to a file, so that
// nothing is lost while the kernel is busy, and the result stays sealed until it is kept.

const N_CHIPS = 10;
const OWN = ["chips", "reason", "kept_at", "late"]; // traits that the browser sets

const findKey = (model) => `tlkit:${model.get("place")}`;
const isKept = (model) => model.get("kept_at") !== "";
const count = (chips) => chips.reduce((sum, n) => sum + n, 0);

// Set traits, remember them in the browser, and send them. Pages without storage go on without it.
function change(model, values) {
  model.set(values);
  try {
    localStorage.setItem(findKey(model), JSON.stringify(Object.fromEntries(OWN.map((name) => [name, model.get(name)]))));
  } catch {}
  model.save_changes();
}

function recall(model) {
  try {
    const kept = JSON.parse(localStorage.getItem(findKey(model)));
    const isNewer = kept?.chips.length === model.get("options").length && kept.kept_at >= model.get("kept_at");
    if (isNewer) change(model, { ...kept, late: kept.late || model.get("late") });
  } catch {}
}

// Python writes down a prediction, or that the result was opened without one, and then reports it as `saved`.
function forget(model) {
  const mark = model.get("kept_at") || (model.get("late") && "opened");
  if (mark && model.get("saved") === mark) try { localStorage.removeItem(findKey(model)); } catch {}
}

function initialize({ model }) {
  recall(model);
  forget(model);
  model.on("change:saved", () => forget(model));
}

function makeRow(text, set) {
  const name = `tlkit-option-${nNames++}`;
  const option = make("span", { class: "tlkit-option", id: name }, text);
  const chips = make("span", { class: "tlkit-chips", role: "spinbutton", tabindex: "0", "aria-labelledby": name, "aria-valuemin": 0 });
  const dots = Array.from({ length: N_CHIPS }, (_, place) => {
    const dot = make("i");
    dot.addEventListener("click", () => set(place + 1 === now ? place : place + 1));
    return dot;
  });
  chips.append(...dots);
  // The keyboard has the chips themselves.
  const less = makeButton("−", () => set(now - 1), { "aria-label": say("one chip less on {0}", text), tabindex: "-1" });
  const more = makeButton("+", () => set(now + 1), { "aria-label": say("one chip more on {0}", text), tabindex: "-1" });
  const number = make("span", { class: "tlkit-count", "aria-hidden": "true" });
  const control = make("span", { class: "tlkit-control-row" });
  const mark = make("span");
  control.append(less, chips, more, number);
  let now = 0;
  chips.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, Home: 0, End: N_CHIPS };
    const to = /^\d$/.test(event.key) ? Number(event.key) : steps[event.key];
    if (to === undefined) return;
    event.preventDefault();
    set(to);
  });
  function update(n, left, fixed, isMeasured) {
    now = n;
    dots.forEach((dot, place) => dot.classList.toggle("on", place < n));
    number.textContent = n;
    const values = { now: n, max: n + left, text: say("{0} of {1} chips", n, N_CHIPS) };
    for (const [key, value] of Object.entries(values)) chips.setAttribute(`aria-value${key}`, value);
    fixed ? chips.setAttribute("aria-disabled", true) : chips.removeAttribute("aria-disabled");
    less.setAttribute("aria-disabled", n === 0);
    more.setAttribute("aria-disabled", left === 0);
    less.hidden = more.hidden = fixed;
    mark.textContent = isMeasured ? say("← measured") : "";
  }
  return { parts: [option, control, mark], update };
}

function render({ model, el }) {
  const box = makeBox("tlkit-prediction");
  const chips = () => model.get("chips");
  const set = (place, n) => {
    if (isKept(model)) return;
    const left = N_CHIPS - count(chips());
    const to = Math.max(0, Math.min(n, chips()[place] + left));
    change(model, { chips: chips().map((old, other) => (other === place ? to : old)) });
  };
  const rows = model.get("options").map((text, place) => makeRow(text, (n) => set(place, n)));
  const grid = make("div", { class: "tlkit-rows", role: "group", "aria-label": model.get("question") });
  grid.append(...rows.flatMap((row) => row.parts));
  const label = make("label", {}, "Because ");
  const reason = make("input", { type: "text", maxlength: 500, placeholder: "your reason, if you like" });
  label.append(reason);
  reason.addEventListener("change", () => change(model, { reason: reason.value }));
  const status = makeStatus();
  status.tabIndex = -1;
  const result = make("p", { class: "tlkit-result", "aria-live": "polite" });
  const press = (text, values) => makeButton(text, () => {
    change(model, values());
    status.focus(); // the button goes, and keys would be commands of JupyterLab
  });
  const keep = press("Keep my prediction", () => ({ reason: reason.value, kept_at: new Date().toISOString().slice(0, 19) + "Z" }));
  const again = press("Change my prediction", () => ({ kept_at: "" }));
  const open = press("Show the result without predicting", () => ({ late: true }));
  const buttons = make("div", { class: "tlkit-options" });
  buttons.append(keep, again, open);
  box.append(make("p", { class: "tlkit-label" }, model.get("question")), grid, label, buttons, status, result);
  el.append(box);

  function describe(left) {
    const [measured, late, problem] = ["measured", "late", "problem"].map((name) => model.get(name));
    if (isKept(model)) {
      const time = new Date(model.get("kept_at")).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
      const kept = late ? say("Your prediction is kept, made after the result was shown") : say("Your prediction is kept");
      return `${kept} (${time}). ${problem}`;
    }
    const task = left ? say("{0} of {1} chips left: place them all, then keep your prediction.", left, N_CHIPS) : say("All chips are placed: keep your prediction.");
    if (late) return `${say("The result was shown before you predicted.")} ${task}`;
    return (measured ? `${say("The result is there. It stays sealed until you keep your prediction.")} ` : "") + task;
  }

  function update() {
    const [measured, place] = [model.get("measured"), model.get("measured_place")];
    const kept = isKept(model);
    const left = N_CHIPS - count(chips());
    const shown = measured && (kept || model.get("late"));
    rows.forEach((row, at) => row.update(chips()[at], left, kept, shown && at === place));
    if (document.activeElement !== reason) reason.value = model.get("reason");
    reason.readOnly = kept;
    label.hidden = kept && !reason.value;
    keep.hidden = kept;
    keep.setAttribute("aria-disabled", left > 0);
    again.hidden = !kept || measured !== "";
    open.hidden = !measured || shown;
    status.textContent = describe(left);
    result.hidden = !shown;
    const n = chips()[place];
    const words = n === 1 ? "{0} of your {1} chips is on it." : "{0} of your {1} chips are on it.";
    result.textContent = shown ? `${say("Measured: {0}.", measured)}${kept ? ` ${say(words, n, N_CHIPS)}` : ""}` : "";
  }
  return follow(model, { [[...OWN, "measured", "measured_place", "problem"].map((name) => `change:${name}`).join(" ")]: update });
}

export default { initialize, render };
