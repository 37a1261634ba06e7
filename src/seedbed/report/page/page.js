"use strict";
// What a reader may do on the page: hide candidates, look at an epoch, turn the light off.

const drawn = JSON.parse(document.getElementById("drawn").textContent);
const views = {};
const hidden = new Set();
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const one = (id) => document.getElementById(id);

// ---- charts, as wide as the page

function fitted(whole, available) {
  const spec = structuredClone(whole);
  const beside = 70; // a panel's axis and the space to its neighbour
  const around = 62; // the axis and the padding of a panel that stands alone
  const widest = Math.max(...spec.concat.map((panel) => panel.width || 0));
  spec.columns = Math.max(1, Math.min(spec.columns || 1, Math.floor((available + beside / 2) / (widest + beside))));
  if (spec.columns === 1) for (const panel of spec.concat) if (panel.width) panel.width = Math.min(panel.width, available - around);
  return spec;
}

async function draw(place) {
  const name = place.dataset.chart;
  const available = place.clientWidth || document.querySelector("main").clientWidth; // 0 if it is folded
  const spec = fitted(drawn[name], available);
  for (let tries = 0; tries < 2; tries += 1) {
    if (views[name]) views[name].finalize();
    views[name] = (await vegaEmbed(place, spec, { renderer: "svg", actions: false, tooltip: { theme: "custom" } })).view;
    // Names at the ends of lines stand beside the panels, whose widths don't contain them.
    const excess = Number(place.querySelector("svg").getAttribute("width")) - available;
    if (excess <= 1) break;
    for (const panel of spec.concat) if (panel.width) panel.width = Math.max(60, panel.width - Math.ceil(excess / spec.columns));
  }
  await set(name, { hidden: [...hidden] });
  if (name === "curves") await set(name, { at: curves.at });
}

let width = 0;
async function drawAll() {
  if (width === document.documentElement.clientWidth) return;
  width = document.documentElement.clientWidth;
  for (const place of all(".chart")) await draw(place);
  document.body.dataset.ready = "yes";
}

function set(name, signals) {
  const view = views[name];
  if (!view) return;
  for (const [signal, value] of Object.entries(signals)) view.signal(signal, value);
  return view.runAsync();
}

// ---- candidates

function showOnly() {
  for (const box of all(".shown input")) box.checked ? hidden.delete(box.value) : hidden.add(box.value);
  for (const place of all("[data-candidate]")) place.hidden = hidden.has(place.dataset.candidate);
  for (const name of Object.keys(views)) set(name, { hidden: [...hidden] });
  if (drawn.curves) readOut();
}

for (const box of all(".shown input")) box.addEventListener("change", showOnly);
one("all")?.addEventListener("click", () => { for (const box of all(".shown input")) box.checked = true; showOnly(); });

// ---- learning curves

const curves = {};
if (drawn.curves) {
  curves.lines = drawn.curves.datasets.lines;
  curves.last = curves.at = Math.max(0, ...curves.lines.map((line) => line.epoch.at(-1)));
  curves.score = drawn.curves.usermeta.score_name;
  curves.swatch = (name) => all(".shown input").find((box) => box.value === name)?.nextElementSibling.style.background;
}

function nearest(line, epoch) {
  let best = 0;
  line.epoch.forEach((kept, place) => { if (Math.abs(kept - epoch) < Math.abs(line.epoch[best] - epoch)) best = place; });
  return best;
}

function show(name, value) {
  if (value === null || value === undefined) return "-";
  return name === "accuracy" ? `${(100 * value).toFixed(1)}%` : Number(value.toPrecision(4)).toString();
}

function readOut() {
  const epoch = curves.at;
  one("at").value = epoch;
  const rows = curves.lines.filter((line) => line.part === "test rows" && !hidden.has(line.candidate)).map((test) => {
    const train = curves.lines.find((line) => line.candidate === test.candidate && line.part === "training rows");
    const place = nearest(test, epoch);
    const cells = ["score", "loss"].flatMap((measure) => {
      const name = measure === "score" ? curves.score : "loss";
      const low = test[`${measure}_low`][place], high = test[`${measure}_high`][place];
      const range = typeof low === "number" ? ` (${show(name, low)} to ${show(name, high)})` : "";
      return [show(name, train[measure][place]), show(name, test[measure][place]) + range];
    });
    return { name: test.candidate, epoch: test.epoch[place], cells };
  });
  one("epoch").textContent = rows.length ? rows[0].epoch.toLocaleString("en") : "";
  const table = one("readout");
  table.replaceChildren();
  const heading = table.createTHead().insertRow();
  for (const words of ["", `training ${curves.score}`, `test ${curves.score}`, "training loss", "test loss"]) {
    heading.append(Object.assign(document.createElement("th"), { textContent: words, scope: "col" }));
  }
  const body = table.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    const name = Object.assign(document.createElement("th"), { scope: "row" });
    const swatch = Object.assign(document.createElement("span"), { className: "swatch" });
    swatch.style.background = curves.swatch(row.name) || "transparent";
    name.append(...(curves.swatch(row.name) ? [swatch] : []), row.name);
    line.append(name);
    for (const cell of row.cells) line.insertCell().textContent = cell;
  }
}

function look(epoch) {
  curves.at = Math.round(epoch);
  set("curves", { at: curves.at });
  readOut();
}

// The epoch under a pointer: both panels have the same axis.
function epochAt(event, place) {
  for (const panel of all("g.concat_0_group > g > path.background, g.concat_1_group > g > path.background", place)) {
    const box = panel.getBoundingClientRect();
    if (event.clientX >= box.left - 8 && event.clientX <= box.right + 8 && event.clientY >= box.top && event.clientY <= box.bottom) {
      return curves.last * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    }
  }
  return null;
}

if (drawn.curves) {
  for (const place of all('[data-for="curves"]')) place.hidden = false;
  one("at").max = curves.last;
  one("at").addEventListener("input", () => look(Number(one("at").value)));
  const place = document.querySelector('[data-chart="curves"]');
  place.addEventListener("pointermove", (event) => {
    const epoch = epochAt(event, place);
    if (epoch !== null) look(epoch);
  });
  readOut();
}

// ---- details, folded until somebody asks for them

for (const section of all("section[data-fold]")) {
  const details = Object.assign(document.createElement("details"), { className: "fold" });
  const summary = document.createElement("summary");
  const [title, ...rest] = section.childNodes;
  summary.append(section.querySelector("h2"));
  details.append(summary, ...[title, ...rest].filter((node) => node.parentNode === section));
  section.append(details);
}
function unfold() {
  const details = location.hash && one(location.hash.slice(1))?.closest("section")?.querySelector("details.fold");
  if (details) details.open = true;
}
addEventListener("hashchange", unfold);
unfold();

// ---- commands to copy

for (const command of all(".command").filter((one) => !one.parentElement.closest(".command"))) {
  const button = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy the command ${command.textContent}`);
  button.addEventListener("click", async () => {
    const range = document.createRange();
    range.selectNodeContents(command);
    getSelection().removeAllRanges();
    getSelection().addRange(range); // also what a reader copies by hand, where a browser doesn't let a page do it
    try { await navigator.clipboard.writeText(command.textContent); } catch { document.execCommand("copy"); }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  command.after(button);
}

// ---- the page

one("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
for (const place of all(".shown")) place.hidden = false;
addEventListener("beforeprint", () => all("details.numbers, details.fold").forEach((place) => { place.open = true; }));
addEventListener("resize", () => { clearTimeout(drawAll.later); drawAll.later = setTimeout(drawAll, 150); });
drawAll();
