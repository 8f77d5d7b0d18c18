// All networks: sorted by headings, filtered by words, with the columns that are chosen. Python arranges the rows.

function render({ model, el }) {
  const box = makeBox("tlkit-networks");
  const columns = model.get("columns");
  const label = make("label", {}, "only rows with the words ");
  const words = make("input", { type: "search", placeholder: "resnet offline", spellcheck: "false" });
  const status = makeStatus();
  const more = make("details");
  const choice = makeButtons({ kind: "toggles", label: "columns", texts: columns.map(({ title }) => title) }, (places) =>
    send(model, "hidden", columns.map(({ name }) => name).filter((_, place) => !places.includes(place))));
  const { element, body, headings, makeRow } = makeTable("networks", columns, sort);
  const rows = model.get("cells").map(makeRow);
  label.append(words);
  more.append(make("summary", {}, "choose columns"), choice.element);
  box.append(label, more, status, element);
  el.append(box);

  function sort(place) {
    const again = model.get("sort_by") === columns[place].name;
    model.set("descending", again && !model.get("descending"));
    send(model, "sort_by", columns[place].name);
  }
  words.addEventListener("input", () => send(model, "words", words.value));

  function showRows() {
    body.replaceChildren(...model.get("order").map((index) => rows[index]));
    headings.forEach((heading, place) => {
      const direction = model.get("descending") ? "descending" : "ascending";
      heading.setAttribute("aria-sort", columns[place].name === model.get("sort_by") ? direction : "none");
    });
    status.textContent = model.get("status");
    if (words.value !== model.get("words")) words.value = model.get("words");
  }
  function showColumns() {
    const hidden = columns.map(({ name }) => model.get("hidden").includes(name));
    choice.update([...hidden.keys()].filter((place) => !hidden[place]));
    hidden.forEach((hides, place) => {
      headings[place].hidden = hides;
      rows.forEach((row) => (row.children[place].hidden = hides));
    });
  }
  return follow(model, {
    "change:order change:status change:sort_by change:descending change:words": showRows,
    "change:hidden": showColumns,
  });
}

export default { render };
