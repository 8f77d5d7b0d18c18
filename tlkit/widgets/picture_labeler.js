// A grid of pictures to label by keyboard. Python keeps the labels; an edit is shown at once, and as unsaved until Python
// has written it. Only pictures in sight are drawn, and their thumbnails come when they are asked for.

const TILE = { width: 116, height: 146 };
const [SMALL_PX, LARGE_PX] = [128, 448];
const MOST_KEPT = 2000; // thumbnails
const MOST_BYTES = 9_000_000; // larger messages never arrive
const CLASS_KEYS = "1234567890qwertyiopfghjlzxcvbnm"; // not u, d, k, s, a

function render({ model, el }) {
  const get = (name) => model.get(name);
  const own = `tlkit-${Date.now()}-${nNames++}`;
  const box = makeBox("tlkit-labels");
  const status = makeStatus();
  const wait = makeWait(box, status);
  const row = (label, ...parts) => {
    const element = make("div", { class: "tlkit-options", role: "group", "aria-label": label });
    element.append(...parts);
    return element;
  };

  // Edits that Python hasn't confirmed yet, {id: {indices, to}}, and thumbnails, {"index@px": [address, problem]}.
  const unsaved = new Map(), thumbnails = new Map();
  let nSent = 0, order = [], shown = [], current = -1, anchor = -1, lead = -1, selected = new Set(), asked = "", askedLarge = "", tiles = new Map(), isDue = false;

  function read(index) {
    const state = { mark: get("marks")[index], review: get("reviews")[index], saved: true };
    for (const { indices, to } of unsaved.values()) if (indices.includes(index)) Object.assign(state, to, { saved: false });
    return state;
  }
  function isOpen(index) {
    const { mark, review } = read(index);
    return get("cleaning") ? review === "-" : mark < 0 && review !== "1";
  }
  function findOpen(after) {
    const at = shown.indexOf(after);
    for (let step = 1; step <= shown.length; step++) {
      const index = shown[(at + step + shown.length) % shown.length];
      if (isOpen(index)) return index;
    }
    return after;
  }

  function request(action, parts, indices = [], to = {}, buffers = []) {
    const id = `${own}:${nSent++}`;
    unsaved.set(id, { indices, to });
    wait(true);
    model.send({ do: action, with: parts, id }, undefined, buffers);
  }
  const targets = () => shown.filter((index) => selected.has(index));
  function edit(changes, to) {
    const indices = targets();
    if (!indices.length) return;
    request("edit", [indices, changes], indices, to);
    select(findOpen(indices.at(-1)));
  }
  const kept = () => (get("cleaning") ? "0" : "");
  const actions = {
    label: (place) => edit({ label: get("classes")[place], dropped: kept() }, { mark: place, review: kept() || "-" }),
    drop: () => {
      const isDropped = targets().every((index) => read(index).review === "1");
      edit({ dropped: isDropped ? "" : "1" }, { review: isDropped ? "-" : "1" });
    },
    keep: () => edit({ dropped: "0" }, { review: "0" }),
    undo: () => request("undo", []),
    skip: () => select(findOpen(current)),
    suggest: () => send(model, "suggesting", !get("suggesting")),
    all: () => select(current, new Set(shown)),
    accept: () => (get("suggested")[current] ?? -1) >= 0 && actions.label(get("suggested")[current]),
  };

  const classes = row("label the selected pictures as");
  const field = make("input", { type: "text", "aria-label": "name of a new class", placeholder: "new class", maxlength: 100 });
  const addClass = () => {
    const name = field.value.trim();
    if (name && !get("classes").includes(name)) send(model, "classes", [...get("classes"), name]);
    field.value = "";
    grid.focus();
  };
  field.addEventListener("keydown", (event) => event.key === "Enter" && addClass());
  const press = (name) => () => (actions[name](), grid.focus());
  const suggest = makeButton("Suggest labels (s)", press("suggest"));
  const view = make("select", { "aria-label": "pictures to show" });
  view.addEventListener("change", update);
  const upload = make("input", { type: "file", multiple: "", accept: "image/*", "aria-label": "add pictures to the folder" });
  upload.addEventListener("change", () => addFiles(upload.files));
  const tools = row("actions", makeButton("Undo (u)", press("undo")), makeButton("Skip (space)", press("skip")),
    makeButton("Drop (d)", press("drop")));
  if (get("cleaning")) tools.append(makeButton("Keep (k)", press("keep")));
  else tools.append(suggest, field, makeButton("Add class", addClass));
  tools.append(view);
  const large = make("div", { class: "tlkit-large" });
  const grid = make("div", { class: "tlkit-grid", role: "listbox", tabindex: "0", "aria-multiselectable": "true", "aria-label": "pictures" });
  const sheet = make("div", { role: "presentation" });
  grid.append(sheet);
  const main = make("div", { class: "tlkit-main" });
  main.append(large, grid);
  const progress = make("p", { class: "tlkit-progress" });
  box.append(classes, tools, main, status, progress, make("p", { class: "tlkit-help" },
    say("Keys: a number or letter labels and goes on; Enter takes the suggestion; space skips; d drops; u or Ctrl+Z takes back; ")
    + say(get("cleaning") ? "k keeps; " : "s switches suggestions; ") + say("arrows move; with Shift they select; a selects all.")));
  if (!get("cleaning")) {
    const label = make("label", {}, "Drop pictures here, or choose some: ");
    label.append(upload);
    box.append(label);
  }
  el.append(box);

  async function addFiles(files) {
    for (const file of files) {
      if (file.size > MOST_BYTES) {
        const size = (file.size / 1e6).toFixed(1);
        status.textContent = say("{0} has {1} MB, and at most 9 MB pass through a notebook. Copy it into {2} and run the cell again.", file.name, size, get("folder"));
        return;
      }
      request("upload", [file.name], [], {}, [await file.arrayBuffer()]);
    }
  }
  for (const type of ["dragenter", "dragover", "drop"]) box.addEventListener(type, (event) => {
    if (get("cleaning") || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.stopPropagation();
    if (type === "drop") addFiles(event.dataTransfer.files);
  });

  // Moves to a picture; without a set of pictures it alone is selected.
  function select(index, pictures = null) {
    current = index;
    selected = pictures ?? new Set(index < 0 ? [] : [index]);
    if (!pictures) anchor = index;
    if (order !== get("order")) adopt();
    update();
    const at = shown.indexOf(current), top = Math.floor(at / nColumns()) * TILE.height;
    if (at >= 0 && (top < grid.scrollTop || top + TILE.height > grid.scrollTop + grid.clientHeight)) grid.scrollTop = top - TILE.height;
  }
  function extend(index) {
    const [from, to] = [shown.indexOf(anchor), shown.indexOf(index)].sort((a, b) => a - b);
    select(index, new Set(shown.slice(Math.max(0, from), to + 1)));
  }
  const nColumns = () => Math.max(1, Math.floor(grid.clientWidth / TILE.width));
  grid.addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const isCommand = event.ctrlKey || event.metaKey;
    if (event.altKey || (isCommand && !["z", "a"].includes(key))) return;
    const [at, last] = [shown.indexOf(current), shown.length - 1];
    const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowUp: at - nColumns(), ArrowDown: at + nColumns(), Home: 0, End: last };
    const names = { u: "undo", z: isCommand && "undo", d: "drop", " ": "skip", Enter: "accept", a: "all",
      k: get("cleaning") && "keep", s: !get("cleaning") && "suggest" };
    const place = CLASS_KEYS.indexOf(key);
    if (key in moves) {
      const to = shown[Math.max(0, Math.min(last, moves[key]))] ?? -1;
      event.shiftKey ? extend(to) : select(to);
    } else if (names[key]) actions[names[key]]();
    else if (!isCommand && key.length === 1 && place >= 0 && place < get("classes").length) actions.label(place);
    else return;
    event.preventDefault();
  });
  grid.addEventListener("click", (event) => {
    const tile = event.target.closest("[data-index]");
    if (!tile) return;
    const index = Number(tile.dataset.index);
    if (event.shiftKey) extend(index);
    else if (event.ctrlKey || event.metaKey) select(index, new Set(toggle([...selected], index)));
    else select(index);
  });
  grid.addEventListener("scroll", () => requestAnimationFrame(draw));
  const sizes = new ResizeObserver(() => draw());
  sizes.observe(grid);

  // Python's order may change after each edit. The current picture then stays in front, so that nobody loses sight of it,
  // and several selected pictures stay where they are until they are labelled.
  function adopt() {
    if (selected.size > 1 && order.length === get("order").length) return;
    order = get("order");
    lead = get("suggesting") ? current : -1;
  }
  function list() {
    const kept = order.filter((index) => {
      const { mark, review } = read(index);
      return view.value === "all" || !view.value || (view.value === "open" ? isOpen(index) : view.value === "dropped" ? review === "1" : mark === Number(view.value));
    });
    return kept.includes(lead) ? [lead, ...kept.filter((index) => index !== lead)] : kept;
  }
  function describe(index) {
    const { mark, review, saved } = read(index);
    const words = [mark < 0 ? "no label" : get("classes")[mark], review === "1" ? "dropped" : review === "0" ? "kept" : ""];
    return words.filter(Boolean).join(", ") + (saved ? "" : " …");
  }
  function makePicture(index, px) {
    const [address, problem] = thumbnails.get(`${index}@${px}`) ?? thumbnails.get(`${index}@${SMALL_PX}`) ?? ["", ""];
    if (problem) return make("span", { class: "tlkit-problem" }, problem);
    return address ? make("img", { src: address, alt: get("names")[index] }) : make("span", { class: "tlkit-problem" }, "");
  }
  // A tile that looks as before stays, since a browser decodes the picture of a new one again.
  function drawTile(index, at, columns) {
    const { review } = read(index), suggestion = get("classes")[get("suggested")[index]], words = describe(index);
    const attributes = { id: `${own}-${index}`, role: "option", "data-index": index, "aria-posinset": at + 1, "aria-setsize": shown.length,
      "aria-selected": selected.has(index), "aria-label": `${get("names")[index]}: ${words}${suggestion ? say(", suggested {0}", suggestion) : ""}`,
      class: `${index === current ? "tlkit-now" : ""} ${review === "1" ? "tlkit-dropped" : ""}`,
      style: `left: ${(at % columns) * TILE.width}px; top: ${Math.floor(at / columns) * TILE.height}px` };
    const look = JSON.stringify([attributes, thumbnails.has(`${index}@${SMALL_PX}`)]);
    if (tiles.get(index)?.look === look) return tiles.get(index);
    const tile = make("div", attributes);
    tile.append(makePicture(index, SMALL_PX), make("b", {}, words), make("i", {}, suggestion ? `${suggestion}?` : ""));
    return { tile, look };
  }
  function draw() {
    const columns = nColumns(), rows = Math.ceil(shown.length / columns);
    sheet.style.height = `${rows * TILE.height}px`;
    const first = Math.floor(grid.scrollTop / TILE.height), last = Math.ceil((grid.scrollTop + grid.clientHeight) / TILE.height);
    const seen = shown.slice(first * columns, (last + 1) * columns);
    const drawn = new Map(seen.map((index, number) => [index, drawTile(index, first * columns + number, columns)]));
    sheet.replaceChildren(...[...drawn.values()].map(({ tile }) => tile));
    tiles = drawn;
    grid.setAttribute("aria-activedescendant", seen.includes(current) ? `${own}-${current}` : "");
    const missing = (indices, px) => indices.filter((index) => index >= 0 && !thumbnails.has(`${index}@${px}`));
    const twin = get("notes")[current]?.[1] ?? -1;
    const wanted = [[missing(seen, SMALL_PX), SMALL_PX], [missing([current, twin], LARGE_PX), LARGE_PX]];
    if (wanted[0][0].length && asked !== (asked = `${wanted[0][0]}`)) model.send({ do: "want", with: wanted[0] });
    if (wanted[1][0].length && askedLarge !== (askedLarge = `${wanted[1][0]}`)) model.send({ do: "want", with: wanted[1] });
  }
  function drawLarge() {
    if (current < 0) return large.replaceChildren("Nothing to show.");
    const [note, twin] = get("notes")[current] ?? ["", -1];
    const suggestion = get("classes")[get("suggested")[current]];
    const lines = [get("names")[current], describe(current), suggestion ? `Suggested: ${suggestion} (Enter)` : "", note];
    large.replaceChildren(makePicture(current, LARGE_PX), ...lines.filter(Boolean).map((line) => make("p", {}, line)));
    if (twin >= 0) large.append(makePicture(twin, LARGE_PX), make("p", {}, `${get("names")[twin]}: ${describe(twin)}`));
  }
  function update() {
    const counts = get("classes").map(() => 0);
    order.forEach((index) => { const { mark, review } = read(index); if (mark >= 0 && review !== "1") counts[mark]++; });
    classes.replaceChildren(...get("classes").map((name, place) =>
      makeButton(`${CLASS_KEYS[place] ? `${CLASS_KEYS[place]} ` : ""}${name} · ${counts[place]}`, () => (actions.label(place), grid.focus()))));
    const options = [["all", "show all"], ["open", "show the open ones"], ["dropped", "show dropped"], ...get("classes").map((name, place) => [place, say("show {0}", name)])];
    const now = view.value || "all";
    view.replaceChildren(...options.map(([value, text]) => make("option", { value }, text)));
    view.value = now;
    shown = list();
    if (!shown.includes(current)) {
      current = anchor = shown.find(isOpen) ?? shown[0] ?? -1;
      selected = new Set(current < 0 ? [] : [current]);
    }
    suggest.setAttribute("aria-pressed", get("suggesting"));
    progress.textContent = get("progress");
    draw();
    drawLarge();
  }
  // Several traits that change at once are shown at once.
  function plan() {
    if (!isDue) queueMicrotask(() => (isDue = false, update()));
    isDue = true;
  }
  function take(message) {
    for (const [index, px, address, problem] of message.thumbnails ?? []) thumbnails.set(`${index}@${px}`, [address, problem]);
    while (thumbnails.size > MOST_KEPT) thumbnails.delete(thumbnails.keys().next().value);
    if (message.handled) {
      const { to } = unsaved.get(message.handled) ?? {};
      unsaved.delete(message.handled);
      wait(unsaved.size > 0);
      // After an undo, what was taken back is shown; an upload is shown too.
      if (to && !Object.keys(to).length && message.indices.length) return select(message.indices[0], new Set(message.indices));
    }
    plan();
  }
  model.on("msg:custom", take);
  const end = follow(model, {
    "change:order": adopt,
    "change:status": () => (status.textContent = get("status")),
    "change:order change:marks change:reviews change:classes change:suggested change:names change:suggesting change:progress change:notes": plan,
  });
  return () => {
    wait(false);
    sizes.disconnect();
    model.off("msg:custom", take);
    end();
  };
}

export default { render };
