// A table with sortable headers and a filter. Python chooses the rows and their order; this script shows them.

function render({ model, el }) {
  const box = makeBox("tlkit-table");
  const label = make("label", {}, "only rows with the words ");
  const words = make("input", { type: "search", placeholder: "resnet offline", spellcheck: "false" });
  const status = make("span", { role: "status", "aria-live": "polite" });
  const frame = make("div", { class: "tlkit-table-frame", tabindex: "0", role: "region", "aria-label": "networks" });
  const table = make("table");
  const header = table.createTHead().insertRow();
  const body = table.createTBody();
  label.append(words);
  frame.append(table);
  box.append(label, status, frame);
  el.append(box);

  function sort(column) {
    const again = model.get("sort_by") === column;
    model.set("descending", again && !model.get("descending"));
    model.set("sort_by", column);
    model.save_changes();
  }

  const columns = model.get("columns");
  const headings = columns.map(({ name, title, number }) => {
    const heading = make("th", { scope: "col", class: number ? "number" : "" });
    const button = make("button", { type: "button", title: "sort by " + title }, title);
    button.addEventListener("click", () => sort(name));
    heading.append(button);
    header.append(heading);
    return heading;
  });

  const rows = model.get("cells").map((cells) => {
    const row = make("tr");
    cells.forEach((text, index) => row.append(make("td", { class: columns[index].number ? "number" : "" }, text)));
    return row;
  });

  function show() {
    body.replaceChildren(...model.get("order").map((index) => rows[index]));
    headings.forEach((heading, index) => {
      const sorted = columns[index].name === model.get("sort_by");
      const direction = model.get("descending") ? "descending" : "ascending";
      heading.setAttribute("aria-sort", sorted ? direction : "none");
    });
    status.textContent = model.get("sentence");
    if (words.value !== model.get("words")) words.value = model.get("words");
  }

  words.addEventListener("input", () => {
    model.set("words", words.value);
    model.save_changes();
  });
  model.on("change:order change:sentence change:sort_by change:descending change:words", show);
  show();
  return () => model.off(null, show);
}

export default { render };
