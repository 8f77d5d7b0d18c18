// A table in a frame that scrolls, with columns {title, number}; press(place), if given, makes its headings buttons.
function makeTable(label, columns, press) {
  const element = make("div", { class: "tlkit-table", tabindex: "0", role: "region", "aria-label": label });
  const table = make("table");
  const header = table.createTHead().insertRow();
  const body = table.createTBody();
  const headings = columns.map(({ title, number }, place) => {
    const heading = make("th", { scope: "col", class: number ? "number" : "" }, press ? "" : title);
    if (press) heading.append(makeButton(title, () => press(place), { title: say("sort by {0}", title) }));
    header.append(heading);
    return heading;
  });
  // Long texts are cut off; they are whole when a reader points at them.
  const makeRow = (cells) => {
    const row = make("tr");
    cells.forEach((text, place) => row.append(make("td", { class: columns[place].number ? "number" : "", title: text }, text)));
    return row;
  };
  element.append(table);
  return { element, table, body, headings, makeRow };
}

