// One picture at a time: decoded as the kit does it, predicted by the graph, shown as bars. Nothing is sent anywhere.
const $ = (id) => document.getElementById(id);
const facts = JSON.parse($("facts").textContent);
const N_SHOWN = 6, MAX_PIXELS = 50e6, MAX_RATIO = 50, PALE = 224;
let session = null, ort = null, stream = null, shownUrl = null, said = "", turn = 0;
let waiting = "The network is still being loaded. Try again in a moment.";  // or why it never will be

class Unreadable extends Error {}

async function unpack(id) {
  const text = $(id).textContent.trim();
  const packed = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text) : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const unzipped = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unzipped).arrayBuffer());
}

async function load() {
  if (!window.WebAssembly || !window.DecompressionStream)
    throw new Error("this browser is too old; use one from 2023 or newer");
  const code = await unpack("runtime");
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  ort = await import(url);
  ort.env.wasm.wasmBinary = await unpack("wasm");
  ort.env.wasm.numThreads = 1;  // threads need a server that isolates the page
  session = await ort.InferenceSession.create(await unpack("model"));
}

// Pixels ---------------------------------------------------------------------------------------------------------------

function draw(source, width, height, ground) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  if (ground) {
    context.fillStyle = ground;
    context.fillRect(0, 0, width, height);
  }
  context.drawImage(source, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height).data;
  canvas.width = canvas.height = 0;  // phones keep the memory of canvases for long
  return pixels;
}

// Transparent parts lie on white, or on black if the drawing is so pale that it would vanish on white.
function flatten(source, width, height) {
  const raw = draw(source, width, height), n = width * height;
  let nClear = 0, nSolid = 0;
  for (let i = 3; i < raw.length; i += 4) {
    nClear += raw[i] === 0;
    nSolid += raw[i] === 255;
  }
  if (nSolid === n) return raw;
  if (nClear === n) throw new Unreadable("every pixel of it is transparent");
  const white = draw(source, width, height, "#ffffff"), darker = [0, 0, 0];
  for (let i = 0; i < white.length; i += 4)
    for (let c = 0; c < 3; c++) darker[c] += white[i + c] < PALE;
  return Math.max(...darker) <= (n - nClear) / 100 ? draw(source, width, height, "#000000") : white;
}

async function decode(blob) {
  const head = new Uint8Array(await blob.slice(0, 32).arrayBuffer());
  const isPng = head[0] === 0x89 && head[1] === 0x50, isJpeg = head[0] === 0xff && head[1] === 0xd8;
  if (isPng && head[24] === 16) throw new Unreadable("it has 16 bits per channel; save it with 8");
  try {
    const options = { colorSpaceConversion: "none", imageOrientation: "from-image" };
    return [await createImageBitmap(blob, options), isJpeg];
  } catch (error) {
    throw new Unreadable("this browser can't read its format, or the file is damaged");
  }
}

function checkSize(width, height) {
  if (!width || !height) throw new Unreadable("it is empty");
  if (width * height > MAX_PIXELS) throw new Unreadable("it has more than 50 million pixels; shrink it");
  if (Math.max(width, height) > MAX_RATIO * Math.min(width, height))
    throw new Unreadable("it is longer than 1:50; cut it into pieces");
}

// Prediction -----------------------------------------------------------------------------------------------------------

async function run(pixels, width, height) {
  const picture = new Uint8Array(3 * width * height);
  for (let i = 0, j = 0; i < pixels.length; i += 4, j += 3) {
    picture[j] = pixels[i];
    picture[j + 1] = pixels[i + 1];
    picture[j + 2] = pixels[i + 2];
  }
  const out = await session.run({ picture: new ort.Tensor("uint8", picture, [height, width, 3]) });
  const familiarity = out.familiarity ? out.familiarity.data[0] : null;
  return { probabilities: Array.from(out.probabilities.data), familiarity };
}

async function predict(blob) {
  const [bitmap, isJpeg] = await decode(blob);
  const { width, height } = bitmap;
  try {
    checkSize(width, height);
    return await run(isJpeg ? draw(bitmap, width, height) : flatten(bitmap, width, height), width, height);
  } finally {
    bitmap.close();
  }
}

// What readers see -----------------------------------------------------------------------------------------------------

function tell(text, failed = false) {
  if (text === said) return;  // a live region would read it again
  said = text;
  $("status").textContent = text;
  $("status").classList.toggle("failed", failed);
}

function make(kind, text = "", ...children) {
  const element = document.createElement(kind);
  element.textContent = text;
  element.append(...children);
  return element;
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function makeBar([share, name]) {
  const bar = make("i");
  bar.style.width = `${100 * share}%`;
  bar.ariaHidden = "true";
  return make("li", "", make("span", name), bar, make("b", percent(share)));
}

function show({ probabilities, familiarity }, name) {
  const ranked = probabilities.map((share, index) => [share, facts.classes[index]]).sort((a, b) => b[0] - a[0]);
  const rejected = familiarity !== null && facts.threshold !== null && familiarity < facts.threshold;
  $("verdict").textContent = rejected ? "None of the above" : `${ranked[0][1]}, ${percent(ranked[0][0])}`;
  $("reason").textContent = rejected
    ? `The picture is unlike the training pictures (familiarity ${familiarity.toPrecision(3)}, less than ` +
      `${facts.threshold.toPrecision(3)}). If one of the classes had to be chosen:`
    : "";
  $("answer").classList.toggle("rejected", rejected);
  $("bars").replaceChildren(...ranked.slice(0, N_SHOWN).map(makeBar));
  $("others").replaceChildren(...ranked.slice(N_SHOWN).map(makeBar));
  $("rest").hidden = ranked.length <= N_SHOWN;
  $("answer").hidden = false;
  tell(`${name}: ${rejected ? "none of the above" : ranked[0][1]}`);
}

async function take(files) {
  const list = [...files].filter((file) => !file.type || file.type.startsWith("image/"));
  if (!list.length) return tell("That is no picture. Choose, drop or paste a picture file.", true);
  stopCamera();
  const file = list[0], name = file.name || "Picture", mine = ++turn;
  if (!session) return tell(waiting);
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  $("shown").src = shownUrl = URL.createObjectURL(file);
  $("shown").alt = `The picture ${name}`;
  $("shown").hidden = false;
  $("answer").hidden = true;
  tell(`${name} is being classified …`);
  try {
    const found = await predict(file);
    if (mine === turn) show(found, list.length > 1 ? `${name}, the first of ${list.length}` : name);
  } catch (error) {
    if (mine !== turn) return;
    $("shown").hidden = true;
    tell(`${name} can't be classified: ${error instanceof Unreadable ? error.message : `${error.message || error}`}.`, true);
  }
}

// Camera ---------------------------------------------------------------------------------------------------------------

const REASONS = {
  NotAllowedError: "the browser or you did not allow it. Allow the camera for this page, or choose a picture",
  NotFoundError: "no camera was found. Choose a picture instead",
  NotReadableError: "another program uses it. Close that program, then try again",
};

function stopCamera() {
  if (!stream) return;
  for (const track of stream.getTracks()) track.stop();
  stream = null;
  $("video").hidden = true;
  $("camera").textContent = "Use the camera";
  $("camera").classList.remove("on");
}

async function startCamera() {
  if (!session) return tell(waiting);
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia)
    return tell("This browser allows the camera only on pages that come by https. Choose a picture instead; a phone then offers its camera.", true);
  const mine = ++turn, video = $("video");
  try {
    const opened = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    if (mine !== turn) return opened.getTracks().forEach((track) => track.stop());  // another click or a picture came
    stream = opened;
  } catch (error) {
    if (mine !== turn) return;
    return tell(`The camera can't be used: ${REASONS[error.name] || error.message}.`, true);
  }
  $("camera").textContent = "Stop the camera";
  $("camera").classList.add("on");
  $("shown").hidden = true;
  video.hidden = false;
  video.srcObject = stream;
  await video.play();
  while (stream && mine === turn) {
    const { videoWidth: width, videoHeight: height } = video;
    try {
      checkSize(width, height);
      const found = await run(draw(video, width, height), width, height);
      if (stream && mine === turn) show(found, "Camera");
    } catch (error) {
      stopCamera();
      return tell(`The camera's picture can't be classified: ${error.message || error}.`, true);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

// The card, as Markdown of a few kinds: headings, lists, tables and paragraphs ------------------------------------------

function plain(text) {
  return text.replace(/`([^`]*)`/g, "$1").replace(/\\([\\`*_[\]<>|#])/g, "$1");
}

function makeTable(lines) {
  const rows = lines.map((line) => line.trim().slice(1, -1).split(/(?<!\\)\|/).map((cell) => plain(cell.trim())));
  const table = make("table");
  rows.forEach((row, index) => {
    if (!/^[-: ]*$/.test(row.join(""))) table.append(make("tr", "", ...row.map((cell) => make(index ? "td" : "th", cell))));
  });
  const wide = make("div", "", table);
  wide.className = "wide";
  wide.tabIndex = 0;
  return wide;
}

function renderCard(text) {
  const blocks = text.replace(/^---\n[\s\S]*?\n---\n/, "").split(/\n{2,}|\n(?=#)/);
  for (const block of blocks.map((each) => each.trim()).filter((each) => each && !each.startsWith("!["))) {
    const lines = block.replace(/\n +(?=\S)/g, " ").split("\n"), heading = /^(#+) (.*)$/.exec(lines[0]);
    if (heading && heading[1] === "#") document.title = $("title").textContent = plain(heading[2]);
    else if (heading) $("card").append(make("h3", plain(heading[2])));
    if (heading) lines.shift();
    if (!lines.length) continue;
    if (lines[0].startsWith("|")) $("card").append(makeTable(lines));
    else if (lines[0].startsWith("- ")) $("card").append(make("ul", "", ...lines.map((line) => make("li", plain(line.slice(2))))));
    else $("card").append(make("p", plain(lines.join(" "))));
  }
}

// Start ----------------------------------------------------------------------------------------------------------------

$("file").onchange = (event) => {
  take(event.target.files);
  event.target.value = "";  // so that the same file can be chosen again
};
$("camera").onclick = () => {
  if (!stream) return startCamera();
  stopCamera();
  tell("The camera is off.");
};
addEventListener("paste", (event) => event.clipboardData.files.length && take(event.clipboardData.files));
for (const kind of ["dragover", "dragleave", "drop"])
  addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") take(event.dataTransfer.files);
  });
// A copy of the page with pictures in it logs its answers, for whoever exports it.
function log(answer) {
  if ($("check")) console.log(`tlkit:${JSON.stringify(answer)}:tlkit`);
}

async function answerAll() {
  for (const text of JSON.parse($("check").textContent)) {
    const { probabilities, familiarity } = await predict(new Blob([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]));
    log({ values: [...probabilities, ...(familiarity === null ? [] : [familiarity])] });
  }
}

renderCard(facts.card);
log({ browser: (/\w*(Chrome|Firefox)\/[\d.]+/.exec(navigator.userAgent) || [navigator.userAgent])[0] });
try {
  await load();
  tell("Ready. The network runs in this page.");
  if ($("check")) await answerAll();
} catch (error) {
  log({ failed: String(error.message || error) });
  tell(waiting = `The network can't be loaded: ${error.message || error}.`, true);
}
