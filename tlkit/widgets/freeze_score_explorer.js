// A freeze score is painted on the left and trained on the right. Python trains; this script shows how far it is.

function render({ model, el }) {
  const box = makeBox("tlkit-score");
  const [left, right] = [make("div"), make("div")];
  const status = makeStatus();
  const wait = makeWait(box, status);
  const ask = (action, ...values) => {
    wait(true);
    model.send({ action, arguments: values });
  };
  const painter = makePainter(model, ask);
  const [run, compare, cancel] = [
    ["Run the painted score", "run"], ["Compare with the catalogue", "compare"], ["Cancel", "cancel"],
  ].map(([text, action]) => makeButton(text, () => ask(action)));
  const progress = make("progress", { "aria-label": "progress of the training" });
  const figure = makeFigure();
  const results = make("div");
  const row = make("div", { class: "tlkit-options", role: "group", "aria-label": "training" });
  row.append(run, compare, cancel, progress);
  left.append(...painter.elements);
  right.append(row, status, figure.element, results);
  const pair = make("div", { class: "tlkit-pair" });
  pair.append(left, right);
  box.append(pair);
  el.append(box);

  function showState() {
    wait(false);
    const [done, all] = model.get("progress");
    Object.assign(progress, { max: Math.max(1, all), value: done });
    const running = model.get("running");
    for (const button of [run, compare]) button.setAttribute("aria-disabled", running);
    cancel.setAttribute("aria-disabled", !running);
    if (status.textContent !== model.get("status")) status.textContent = model.get("status");
  }
  function showResults() {
    const { columns, cells } = model.get("results");
    const table = makeTable("results of the scores", columns);
    table.body.append(...cells.map(table.makeRow));
    results.replaceChildren(...(cells.length ? [table.element] : []));
  }
  const showFigure = () => figure.show(model.get("drawing"), "", say("Loss and accuracy over epochs, and results. {0}", model.get("status")));
  const end = follow(model, {
    ...painter.reactions,
    "change:running change:status change:progress change:loaded change:rates": showState,
    "change:results": showResults,
    "change:drawing change:status": showFigure,
  });
  return () => {
    wait(false);
    end();
  };
}

export default { render };
