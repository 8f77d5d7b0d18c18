// An explorer: controls and a sentence on the left, a drawing on the right. Python draws; this script reports choices.

function render({ model, el }) {
  const box = makeBox("tlkit-explorer");
  const side = make("div", { class: "tlkit-side" });
  const status = makeStatus();
  const clicks = model.get("clicks");
  const choose = (name, place) => send(model, "chosen", { ...model.get("chosen"), [name]: place });
  const figure = makeFigure(
    (kind, places) => {
      const chosen = { ...model.get("chosen") };
      clicks[kind].forEach((name, number) => {
        chosen[name] = Array.isArray(chosen[name]) ? toggle(chosen[name], places[number]) : places[number];
      });
      send(model, "chosen", chosen);
    },
    (kind) => kind in clicks,
  );
  const controls = model.get("controls").map((control) => [
    control.name, makeControl(control, (place) => choose(control.name, place)),
  ]);
  side.append(...controls.map(([, control]) => control.element), status);
  box.append(side, figure.element);
  el.append(box);

  const wait = makeWait(box, status);
  function update() {
    const [chosen, shown] = [model.get("chosen"), model.get("shown")];
    const disabled = Object.fromEntries(model.get("controls").map((control) => [control.name, control.disabled]));
    for (const [name, control] of controls) control.update(chosen[name], disabled[name]);
    const waits = JSON.stringify(controls.map(([name]) => chosen[name])) !== JSON.stringify(controls.map(([name]) => shown[name]));
    wait(waits);
    if (!waits) showResult();
  }
  function showResult() {
    const sentence = model.get("status");
    if (status.textContent !== sentence) status.textContent = sentence;
    figure.show(model.get("frame"), model.get("drawing"), sentence);
  }
  const end = follow(model, {
    "change:chosen change:shown change:controls": update,
    "change:status change:drawing change:frame": showResult,
  });
  return () => {
    wait(false);
    end();
  };
}

export default { render };
