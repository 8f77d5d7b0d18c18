// An explorer: controls and a sentence on the left, a drawing on the right. Python draws; this script reports choices.

const WAIT_MS = 300; // before a reader is told that the kernel is still at work
const DEAF_MS = 10000; // before a reader is told that it might not answer

function render({ model, el }) {
  const box = makeBox("tlkit-explorer");
  const side = make("div", { class: "tlkit-side" });
  const status = makeStatus();
  const clicks = model.get("clicks");
  const choose = (name, place) => send(model, "chosen", { ...model.get("chosen"), [name]: place });
  const figure = makeFigure(
    (kind, places) => {
      const chosen = { ...model.get("chosen") };
      clicks[kind].forEach((name, number) => (chosen[name] = places[number]));
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

  let timers = [];
  function update() {
    const [chosen, shown] = [model.get("chosen"), model.get("shown")];
    const disabled = Object.fromEntries(model.get("controls").map((control) => [control.name, control.disabled]));
    for (const [name, control] of controls) control.update(chosen[name], disabled[name]);
    timers.forEach(clearTimeout);
    const waits = JSON.stringify(controls.map(([name]) => chosen[name])) !== JSON.stringify(controls.map(([name]) => shown[name]));
    box.setAttribute("aria-busy", waits);
    box.classList.remove("tlkit-busy");
    if (!waits) return showResult();
    timers = [
      setTimeout(() => box.classList.add("tlkit-busy"), WAIT_MS),
      setTimeout(() => (status.textContent = "Waiting for the kernel. If it isn't busy, run the cell again."), DEAF_MS),
    ];
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
    timers.forEach(clearTimeout);
    end();
  };
}

export default { render };
