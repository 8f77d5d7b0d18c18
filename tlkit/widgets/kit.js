// Functions that the scripts of all widgets share; Python puts them before each script.

function make(name, attributes = {}, text = "") {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

// The element of a widget. JupyterLab would treat keys that are pressed in it as commands if they left it.
function makeBox(name) {
  const box = make("div", { class: name, "data-lm-suppress-shortcuts": "true" });
  box.addEventListener("keydown", (event) => event.stopPropagation());
  return box;
}

