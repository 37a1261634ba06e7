/** A class: each student's name makes a seed, each trains once, and the results together show what chance does. */

import { candidateWord } from "./export.js";
import { canvasIn, colours, label, oncePerFrame, ticks } from "./paint.js";
import { hiddenOf, settingsName, toFragment } from "./settings.js";
import { quantity, element, saveFile, scoreName, scoreText, shortened } from "./words.js";

const MARK = "seedbed play result";
const FIRST_SEED = 1000; // behind the seeds of the page
const MOST_RESULTS = 500;

/** Return the seed of a name: the same on every computer, whatever the case and the spaces around it. */
export function seedOfName(name) {
  let hash = 0x811c9dc5;
  for (const letter of name.trim().toLowerCase().normalize("NFC")) {
    hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193) >>> 0;
  }
  return FIRST_SEED + (hash % 900000);
}

/** Return a result of a student as the text of a file. */
export function resultText({ name, seed, settings, table, score }) {
  return `${JSON.stringify({ kind: MARK, name, seed, score, settings: trainedAs(settings), table: { name: table.name, target: table.target, rows: table.rows, task: table.task } }, null, 1)}\n`;
}

/** Return the part of settings that decides what one network becomes, as text. */
function trainedAs(settings) {
  const words = new URLSearchParams(toFragment(settings, {}).slice(1));
  for (const name of ["seeds", "splits"]) words.delete(name);
  return words.toString();
}

/** Read a result file. Returns {result} or {error}, a sentence; null if the text is no result of a class. */
export function readResult(text, where) {
  let given;
  try {
    given = JSON.parse(text);
  } catch {
    return null;
  }
  if (given?.kind !== MARK) return null;
  const { name, seed, score, settings, table } = given;
  const fine = typeof name === "string" && name && Number.isInteger(seed) && Number.isFinite(score) && typeof settings === "string" && typeof table?.name === "string";
  if (!fine || hiddenOf(new URLSearchParams(settings).get("network")) === null) return { error: `${where} is damaged: ask for it again.` };
  return { result: { name: shortened(name, 40), seed, score, settings, table } };
}

/** Build the class mode. `trainOne(seed)` trains one network on the first split and resolves to its score. */
export function createClassroom(place, { trainOne, read, onFiles }) {
  const state = { results: [], own: null };
  const name = element("input", { type: "text", id: "student", maxlength: 40, autocomplete: "off", placeholder: "Your name" });
  const said = element("p", { role: "status" });
  const save = element("button", { type: "button", hidden: true, onclick: () => saveFile(`${state.own.name.replace(/[^\p{L}\p{N}]+/gu, "_")}.json`, resultText(state.own), "application/json") }, "Save my result");
  const form = element("form", { class: "buttons" }, element("label", { for: "student" }, "Name "), name, element("button", { type: "submit", class: "main" }, "Train my network"), save);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    train();
  });
  const input = element("input", { type: "file", accept: ".json", multiple: true, class: "hidden-input", id: "class-results" });
  input.addEventListener("change", () => {
    onFiles([...input.files]);
    input.value = "";
  });
  const figure = element("figure", { class: "panel class-plot", role: "img", hidden: true });
  const finding = element("p", { class: "small" });
  const forget = element("button", { type: "button", hidden: true, onclick: () => { state.results = []; update(); } }, "Forget the results");
  const list = element("details", { hidden: true }, element("summary", {}, "All results"), element("table"));
  place.append(
    element("p", {}, "Same table, same network, same split for everybody. Your name decides the random start. Save your result and give the file to your teacher."),
    form, said,
    element("p", {}, "Teacher: drop all the files on this page, or choose them. They become one picture."),
    element("div", { class: "buttons" }, element("label", { class: "button", for: "class-results" }, input, "Open results\u2026"), forget),
    figure, finding, list);
  const surface = canvasIn(figure, paint);

  async function train() {
    const given = read();
    const text = name.value.trim();
    if (!text) {
      said.textContent = "Enter your name first.";
      name.focus();
      return;
    }
    if (!given) return;
    const seed = seedOfName(text);
    said.textContent = "Training\u2026";
    save.hidden = true;
    const score = await trainOne(seed);
    if (!Number.isFinite(score)) {
      said.textContent = "The training didn't end with a score: lower the learning rate.";
      return;
    }
    state.own = { name: text, seed, score, settings: given.settings, table: given.table };
    said.replaceChildren(element("b", {}, `${text}: ${scoreText(score, given.table.task)}`), ` test ${scoreName(given.table.task)} with seed ${seed}, ${settingsName(given.settings)}.`);
    save.hidden = false;
  }

  function paint() {
    if (!state.results.length || !surface.width) return;
    const { pen, width, height } = surface;
    const paints = colours();
    surface.clear();
    const { task } = state.results[0].table;
    const scores = state.results.map(({ score }) => score);
    const edge = Math.max(0.01, (Math.max(...scores) - Math.min(...scores)) * 0.1);
    const [low, high] = [Math.min(...scores) - edge, Math.max(...scores) + edge];
    const x = (value) => 40 + (width - 80) * ((value - low) / (high - low));
    for (const tick of ticks(low, high, 5)) label(pen, scoreText(tick, task), x(tick), height - 10, { colour: paints.faint, align: "center" });
    const piles = new Map();
    const sorted = [...state.results].sort((a, b) => a.score - b.score);
    const places = [...pileSizes(sorted, x).keys()].sort((a, b) => a - b);
    const isRoomy = places.every((one, i) => !i || one - places[i - 1] >= 5);
    pen.fillStyle = paints.rule;
    pen.fillRect(16, height - 23, width - 32, 1);
    const size = Math.min(15, Math.max(4, (height - 40) / Math.max(...pileSizes(sorted, x).values())));
    for (const one of sorted) {
      const bin = Math.round(x(one.score) / 12);
      const level = piles.get(bin) ?? 0;
      piles.set(bin, level + 1);
      pen.fillStyle = paints.current;
      pen.beginPath();
      pen.arc(bin * 12, height - 30 - level * size, Math.min(5.5, size / 2), 0, 7);
      pen.fill();
      if (isRoomy && size > 9) label(pen, shortened(one.name, 9), bin * 12 + 8, height - 30 - level * size, { colour: paints.faint, size: 10.5 });
    }
  }

  function pileSizes(sorted, x) {
    const sizes = new Map();
    for (const { score } of sorted) {
      const bin = Math.round(x(score) / 12);
      sizes.set(bin, (sizes.get(bin) ?? 0) + 1);
    }
    return sizes;
  }

  const repaint = oncePerFrame(paint);

  function update() {
    const any = state.results.length > 0;
    figure.hidden = list.hidden = forget.hidden = !any;
    finding.textContent = "";
    if (!any) return;
    const sorted = [...state.results].sort((a, b) => b.score - a.score);
    const { task } = sorted[0].table;
    const [first, last] = [sorted[0], sorted.at(-1)];
    finding.textContent = sorted.length < 2 ? "One result. Drop more files." :
      `${quantity(sorted.length, "student")}, one network: ${scoreText(last.score, task)} (${last.name}) to ${scoreText(first.score, task)} (${first.name}). Did ${first.name} work better? Only the seed differs.`;
    figure.setAttribute("aria-label", finding.textContent);
    list.lastChild.replaceChildren(
      element("thead", {}, element("tr", {}, ...["name", "seed", `test ${scoreName(task)}`].map((text) => element("th", { scope: "col" }, text)))),
      element("tbody", {}, ...sorted.map((one) => element("tr", {}, element("th", { scope: "row" }, one.name), element("td", {}, String(one.seed)), element("td", {}, scoreText(one.score, task))))));
    repaint();
  }

  return {
    /** Add the result of a student. Returns a sentence if it can't be added. */
    add(result, where) {
      const first = state.results[0];
      if (first && (first.table.name !== result.table.name || first.table.rows !== result.table.rows)) return `${where} was trained on another table (${shortened(result.table.name)}, not ${shortened(first.table.name)}).`;
      if (first && first.settings !== result.settings) {
        const word = (one) => candidateWord(hiddenOf(new URLSearchParams(one.settings).get("network")));
        const differs = word(first) === word(result) ? "another recipe" : `${word(result)}, not ${word(first)}`;
        return `${where} was trained with other settings: ${differs}.`;
      }
      if (state.results.length >= MOST_RESULTS) return `There are ${MOST_RESULTS} results already: forget them first.`;
      state.results = [...state.results.filter((one) => one.name !== result.name || one.seed !== result.seed), result];
      update();
      return null;
    },
    results: () => state.results,
  };
}
