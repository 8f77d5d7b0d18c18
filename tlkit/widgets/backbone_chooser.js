// Limits on the left, candidates on the right: one of them is chosen in the table and predicted, then scores are shown.

function render({ model, el }) {
  const box = makeBox("tlkit-explorer");
  const [side, main, frame] = ["tlkit-side", "tlkit-main", "tlkit-candidates"].map((name) => make("div", { class: name }));
  const status = makeStatus();
  const wait = makeWait(box, status);
  const change = (name, value) => send(model, "chosen", { ...model.get("chosen"), [name]: value });
  const controls = model.get("controls").map((control) => [
    control.name, makeControl(control, (place) => change(control.name, place)),
  ]);
  const keep = makeButton("Keep my prediction, show the scores", () => change("predicted", model.get("chosen").candidate));
  const figure = makeFigure((_kind, [number]) => change("candidate", model.get("names")[number]), (kind) => kind === "candidate");
  const question = make("p", { class: "tlkit-label" }, "Which of these is the best? Choose a row.");
  frame.setAttribute("role", "radiogroup");
  frame.setAttribute("aria-label", "candidates");
  addArrows(frame, () => buttons, (place) => change("candidate", model.get("candidates").names[place]));
  side.append(...controls.map(([, control]) => control.element), status);
  main.append(question, frame, keep, figure.element);
  box.append(side, main);
  el.append(box);

  let buttons = [], rows = [];
  function showRows() {
    const { columns, cells, names, fits } = model.get("candidates");
    const hadFocus = frame.contains(document.activeElement);
    const table = makeTable("candidates and their costs", columns);
    buttons = names.map((name, place) =>
      makeButton("", () => change("candidate", name), { role: "radio", "aria-label": name, "aria-disabled": !fits[place] }));
    rows = cells.map((texts, place) => {
      const row = table.makeRow(texts);
      row.classList.toggle("tlkit-off", !fits[place]);
      row.firstChild.prepend(buttons[place]);
      row.addEventListener("click", (event) => event.target === buttons[place] || buttons[place].click());
      return row;
    });
    table.body.append(...rows);
    const top = frame.firstChild?.scrollTop ?? 0;
    frame.replaceChildren(table.element);
    const picked = rows[names.indexOf(model.get("chosen").candidate)];
    table.element.scrollTop = picked ? picked.offsetTop - table.element.clientHeight / 2 : top;
    showChosen();
    if (hadFocus) buttons.find((button) => button.tabIndex === 0)?.focus();
  }
  function showChosen() {
    const [chosen, shown] = [model.get("chosen"), model.get("shown")];
    for (const [name, control] of controls) {
      control.update(chosen[name]);
      // Before a prediction there are no scores to judge by.
      if (name === "score") control.element.hidden = !model.get("drawing") || model.get("controls").at(-1).texts.length < 2;
    }
    const { names, fits } = model.get("candidates");
    const at = names.indexOf(chosen.candidate);
    buttons.forEach((button, place) => {
      button.setAttribute("aria-checked", place === at);
      button.tabIndex = place === (at >= 0 ? at : fits.indexOf(true)) ? 0 : -1;
      rows[place].classList.toggle("tlkit-picked", place === at);
    });
    keep.setAttribute("aria-disabled", at < 0 || chosen.candidate === chosen.predicted);
    const waits = Object.keys(shown).some((name) => chosen[name] !== shown[name]);
    wait(waits);
    if (!waits) showResult();
  }
  function showResult() {
    if (status.textContent !== model.get("status")) status.textContent = model.get("status");
    figure.element.hidden = !model.get("drawing");
    figure.show(model.get("drawing"), "", model.get("status"));
  }
  const end = follow(model, {
    "change:candidates": showRows,
    "change:chosen change:shown": showChosen,
    "change:drawing change:status": showChosen,
  });
  return () => {
    wait(false);
    end();
  };
}

export default { render };
