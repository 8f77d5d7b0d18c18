// A scatter plot of features. Python computes positions and neighbours; this script draws them and reports clicks.

const WIDTH = 560;
const HEIGHT = 420;
const MARGIN = 34;
const RADIUS = 4;
const REACH = 14; // px: a click within this distance selects a point

function makeCanvas(width, height, attributes) {
  const scale = window.devicePixelRatio || 1;
  const canvas = make("canvas", { width: width * scale, height: height * scale, ...attributes });
  canvas.style.width = width + "px";
  canvas.getContext("2d").scale(scale, scale);
  return canvas;
}

// The corners of Matplotlib's markers, in radii.
const CORNERS = {
  s: [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]],
  "^": [[0, -1.1], [1.1, 0.9], [-1.1, 0.9]],
  v: [[0, 1.1], [1.1, -0.9], [-1.1, -0.9]],
  D: [[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]],
  P: [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2],
    [-0.4, 0.4], [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]],
};

function drawMarker(pen, x, y, marker) {
  pen.beginPath();
  if (marker === "o") {
    pen.arc(x, y, RADIUS, 0, 2 * Math.PI);
  } else {
    // X is a P turned by 45 degrees.
    const turn = marker === "X" ? Math.SQRT1_2 : 0;
    for (const [right, down] of CORNERS[marker === "X" ? "P" : marker]) {
      const across = turn ? turn * (right - down) : right;
      const along = turn ? turn * (right + down) : down;
      pen.lineTo(x + RADIUS * across, y + RADIUS * along);
    }
    pen.closePath();
  }
  pen.fill();
}

function makeSwitch(model, trait, title, options) {
  const group = make("span", { role: "group", "aria-label": title }, title + " ");
  const buttons = options.map(([value, text]) => {
    const button = make("button", { type: "button" }, text);
    button.addEventListener("click", () => {
      model.set(trait, value);
      model.save_changes();
    });
    group.append(button);
    return [value, button];
  });
  const press = () => buttons.forEach(([value, button]) => button.setAttribute("aria-pressed", model.get(trait) === value));
  return [group, press];
}

function render({ model, el }) {
  const box = makeBox("tlkit-map");
  const [methods, pressMethod] = makeSwitch(model, "method", "map", [["pca", "PCA"], ["tsne", "t-SNE"]]);
  const [colours, pressColour] = makeSwitch(model, "colour_by", "colour by", [["class", "class"], ["domain", "domain"]]);
  const switches = make("div", { class: "whole" });
  switches.append(methods, " ", colours);
  const status = make("div", { class: "whole", role: "status", "aria-live": "polite" });
  const canvas = makeCanvas(WIDTH, HEIGHT, {
    tabindex: "0",
    role: "application",
    "aria-label": "map of features: arrow keys move from point to point, Enter shows a picture and its neighbours",
  });
  const pen = canvas.getContext("2d");
  const here = make("p", { "aria-live": "polite" });
  const warning = make("p");
  const plane = make("div", { class: "plane" });
  plane.append(canvas, here, warning);
  const legend = make("ul", { "aria-label": "legend", tabindex: "0" });
  const near = make("div", { class: "near", role: "region", "aria-label": "the picture and its nearest neighbours" });
  box.append(switches, status, plane, legend, near);
  el.append(box);

  let points = [];
  let cursor = null;

  function computePoints() {
    const view = model.get("positions");
    const count = view.byteLength / 8;
    const at = (index, axis) => view.getFloat32(8 * index + 4 * axis, true);
    const bounds = [0, 1].map((axis) => {
      let [low, high] = [Infinity, -Infinity];
      for (let index = 0; index < count; index++) {
        low = Math.min(low, at(index, axis));
        high = Math.max(high, at(index, axis));
      }
      return [low, high - low || 1];
    });
    points = Array.from({ length: count }, (_, index) => [
      MARGIN + ((at(index, 0) - bounds[0][0]) / bounds[0][1]) * (WIDTH - 2 * MARGIN),
      HEIGHT - MARGIN - ((at(index, 1) - bounds[1][0]) / bounds[1][1]) * (HEIGHT - 2 * MARGIN),
    ]);
  }

  function ring(index, colour, radius, width) {
    pen.beginPath();
    pen.arc(...points[index], radius, 0, 2 * Math.PI);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }

  function draw() {
    const { kinds, indices } = model.get("colourings")[model.get("colour_by")];
    pen.clearRect(0, 0, WIDTH, HEIGHT);
    pen.globalAlpha = model.get("computing") ? 0.25 : 0.8;
    points.forEach(([x, y], index) => {
      const { colour, marker } = kinds[indices[index]];
      pen.fillStyle = colour;
      drawMarker(pen, x, y, marker);
    });
    pen.globalAlpha = 1;
    pen.fillStyle = "#000";
    pen.font = "12px sans-serif";
    pen.textAlign = "center";
    const [across, up] = model.get("axes");
    pen.fillText(across, WIDTH / 2, HEIGHT - 8);
    pen.save();
    pen.translate(14, HEIGHT / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(up, 0, 0);
    pen.restore();
    const [chosen, ...neighbors] = model.get("shown");
    for (const { index } of neighbors) {
      pen.beginPath();
      pen.moveTo(...points[chosen.index]);
      pen.lineTo(...points[index]);
      pen.strokeStyle = "#666";
      pen.lineWidth = 1;
      pen.stroke();
      ring(index, "#000", 7, 1);
    }
    if (chosen) ring(chosen.index, "#000", 9, 3);
    if (cursor !== null) ring(cursor, "#D55E00", 12, 2);
  }

  function showLegend() {
    legend.replaceChildren(
      ...model.get("colourings")[model.get("colour_by")].kinds.map(({ name, colour, marker }) => {
        const item = make("li");
        const sample = makeCanvas(14, 14, { "aria-hidden": "true" });
        const samplePen = sample.getContext("2d");
        samplePen.fillStyle = colour;
        drawMarker(samplePen, 7, 7, marker);
        item.append(sample, name);
        return item;
      }),
    );
  }

  function showNear() {
    near.replaceChildren(
      ...model.get("shown").map(({ name, kind, source, relation }, number) => {
        const figure = make("figure", { class: number ? "" : "chosen" });
        const caption = make("figcaption");
        caption.append(make("strong", {}, relation), make("br"), kind, make("br"), name);
        figure.append(make("img", { src: source, alt: name }), caption);
        return figure;
      }),
    );
  }

  function select(index) {
    model.set("selected", index);
    model.save_changes();
  }

  function moveTo(index) {
    cursor = index;
    const { kinds, indices } = model.get("colourings")[model.get("colour_by")];
    here.textContent = `${model.get("names")[index]}: ${kinds[indices[index]].name.replace(/ \(\d+\)$/, "")}`;
    draw();
  }

  function findNearest(x, y, isEligible = () => true) {
    let [best, least] = [null, Infinity];
    points.forEach((point, index) => {
      const distance = Math.hypot(point[0] - x, point[1] - y);
      if (distance < least && isEligible(point, index)) [best, least] = [index, distance];
    });
    return [best, least];
  }

  canvas.addEventListener("click", (event) => {
    const frame = canvas.getBoundingClientRect();
    const scale = WIDTH / frame.width;
    const [index, distance] = findNearest((event.clientX - frame.left) * scale, (event.clientY - frame.top) * scale);
    if (distance > REACH) return;
    moveTo(index);
    select(index);
  });

  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.key in STEPS) {
      event.preventDefault();
      if (cursor === null) return moveTo(findNearest(WIDTH / 2, HEIGHT / 2)[0]);
      const [right, down] = STEPS[event.key];
      const [x, y] = points[cursor];
      // Ahead means within 45 degrees of the arrow, so that opposite arrows don't lead to the same point.
      const isAhead = (point) => {
        const ahead = (point[0] - x) * right + (point[1] - y) * down;
        return ahead > 0 && ahead >= Math.abs((point[0] - x) * down) + Math.abs((point[1] - y) * right);
      };
      const [index] = findNearest(x, y, isAhead);
      if (index !== null) moveTo(index);
    } else if ((event.key === "Enter" || event.key === " ") && cursor !== null) {
      event.preventDefault();
      select(cursor);
    }
  });

  function showTexts() {
    status.textContent = model.get("sentence");
    warning.textContent = model.get("warning");
    canvas.setAttribute("aria-busy", model.get("computing"));
  }

  const reactions = {
    "change:positions": () => { computePoints(); draw(); },
    "change:axes change:computing": draw,
    "change:colour_by": () => { pressColour(); showLegend(); draw(); },
    "change:method": pressMethod,
    "change:shown": () => { showNear(); draw(); },
    "change:sentence change:warning change:computing": showTexts,
  };
  for (const [events, react] of Object.entries(reactions)) model.on(events, react);
  computePoints();
  pressMethod();
  pressColour();
  showLegend();
  showNear();
  showTexts();
  draw();
  return () => { for (const [events, react] of Object.entries(reactions)) model.off(events, react); };
}

export default { render };
