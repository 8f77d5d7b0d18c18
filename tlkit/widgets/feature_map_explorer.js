// A map of features: a click on a point shows its picture and its nearest neighbours. Python draws and finds them.

const KEYS = "Arrow keys move from point to point, Enter shows a picture and its nearest neighbours.";

function render({ model, el }) {
  const box = makeBox("tlkit-explorer");
  const side = make("div", { class: "tlkit-side" });
  const status = makeStatus();
  const wait = makeWait(box, status);
  const [methods, colourings] = [["pca", "tsne"], ["class", "domain"]];
  const method = makeButtons({ label: "map", texts: ["PCA", "t-SNE"] }, (place) => send(model, "method", methods[place]));
  const colour = makeButtons({ label: "colour by", texts: colourings }, (place) => send(model, "colour_by", colourings[place]));
  const pictures = {};
  const figure = makeFigure((_kind, [index]) => send(model, "selected", index), (kind) => kind === "point", showThumbnail);
  const near = make("ul", { class: "tlkit-near", "aria-label": "the picture and its nearest neighbours" });
  side.append(method.element, colour.element, status, near);
  box.append(side, figure.element);
  el.append(box);

  // The words of a point are there at once, its picture as soon as Python has sent it.
  let pointed = null;
  function showThumbnail(tip, _kind, [index]) {
    pointed = { image: make("img", { alt: "" }), index };
    tip.append(pointed.image);
    if (index in pictures) pointed.image.src = pictures[index];
    else model.send({ index });
  }
  function takePicture({ index, source }) {
    pictures[index] = source;
    if (pointed?.index === index) pointed.image.src = source;
  }
  model.on("msg:custom", takePicture);

  function show() {
    const asked = ["method", "colour_by", "selected"].map((name) => model.get(name));
    method.update(methods.indexOf(asked[0]));
    colour.update(colourings.indexOf(asked[1]));
    wait(asked.some((value, place) => value !== model.get("shown")[place]));
    if (model.get("computing")) box.setAttribute("aria-busy", true);
    if (status.textContent !== model.get("status")) status.textContent = model.get("status");
    figure.show(model.get("frame"), model.get("drawing"), `${model.get("status")} ${KEYS}`);
  }
  function showNear() {
    near.replaceChildren(...model.get("near").map(({ name, kind, source, relation }) => {
      const item = make("li");
      const text = make("div");
      text.append(make("strong", {}, relation), make("br"), kind, make("br"), name);
      item.append(make("img", { src: source, alt: name }), text);
      return item;
    }));
  }
  const end = follow(model, {
    "change:near": showNear,
    "change:method change:colour_by change:selected change:shown change:computing change:status change:frame change:drawing": show,
  });
  return () => {
    wait(false);
    model.off("msg:custom", takePicture);
    end();
  };
}

export default { render };
