// A quiz: one group of radio buttons per question. Python replies to each choice.

let nQuizzes = 0;

function fill(element, text) {
  text.split("`").forEach((part, place) => element.append(place % 2 ? make("code", {}, part) : part));
  return element;
}

function render({ model, el }) {
  const box = makeBox("tlkit-quiz");
  const name = `tlkit-quiz-${nQuizzes++}`;
  const rows = model.get("questions").map(({ text, options }, place) => {
    const group = make("fieldset");
    group.append(fill(make("legend"), `${place + 1}. ${text}`));
    const inputs = options.map((option, index) => {
      const label = make("label");
      const input = make("input", { type: "radio", name: `${name}-${place}` });
      input.addEventListener("change", () => {
        model.set("chosen", model.get("chosen").map((old, other) => (other === place ? index : old)));
        model.save_changes();
      });
      label.append(input, fill(make("span"), ` ${"ABCD"[index]}. ${option}`));
      group.append(label);
      return input;
    });
    const reply = make("p", { class: "tlkit-reply", "aria-live": "polite" });
    group.append(reply);
    box.append(group);
    return { inputs, reply };
  });
  const status = makeStatus();
  box.append(status);
  el.append(box);

  function update() {
    rows.forEach(({ inputs, reply }, place) => {
      inputs.forEach((input, index) => (input.checked = model.get("chosen")[place] === index));
      const text = model.get("replies")[place];
      if (reply.textContent !== text.replaceAll("`", "")) {
        reply.replaceChildren();
        fill(reply, text);
      }
      reply.classList.toggle("right", text.startsWith(say("Right")));
    });
    status.textContent = model.get("status");
  }
  return follow(model, { "change:chosen change:replies change:status": update });
}

export default { render };
