/** A class: each student's name makes a seed, each trains once, and the results together show what chance does. */

import { candidateWord } from "./export.js";
import { canvasIn, colours, label, oncePerFrame, ticks } from "./paint.js";
import { hiddenOf, settingsName, toFragment } from "./settings.js";
import { quantity, element, fillTable, saveFile, scoreName, scoreText, shortened, visible } from "./words.js";

const MARK = "seedbed play result";
const FIRST_SEED = 1000; // behind the seeds of the page
const MOST_RESULTS = 500;
const MOST_PROBLEMS = 5; // that are said at once
const DOT = 5.5; // pixels: the radius of a dot
const NAME = 68; // pixels for the name beside it

/** Return a name without what doesn't distinguish students: "Anna" and " anna" are one student. */
const plain = (name) => name.trim().toLowerCase().normalize("NFC");

/** Return the seed of a name: the same on every computer, whatever the case and the spaces around it. */
function seedOfName(name) {
  let hash = 0x811c9dc5;
  for (const letter of plain(name)) {
    hash = Math.imul(hash ^ letter.codePointAt(0), 0x01000193) >>> 0;
  }
  return FIRST_SEED + (hash % 900000);
}

/** Return a result of a student as the text of a file. */
function resultText({ name, seed, settings, table, score }) {
  return `${JSON.stringify({ kind: MARK, name, seed, score, settings: trainedAs(settings), table: { name: table.name, target: table.target, rows: table.rows, task: table.task } }, null, 1)}\n`;
}

/** Return the part of settings that decides what one network becomes, as text. */
function trainedAs(settings) {
  const fields = new URLSearchParams(toFragment(settings, {}).slice(1));
  for (const name of ["seeds", "splits"]) fields.delete(name);
  return fields.toString();
}

/** Read a result file. Returns {result} or {error}, a sentence; null if the text is no result of a class. */
export function readResult(text, where) {
  let given;
  try {
    given = JSON.parse(text, (_, value) => (typeof value === "string" ? visible(value) : value));
  } catch {
    return null;
  }
  if (given?.kind !== MARK) return null;
  const { name, seed, score, settings, table } = given;
  const fine = typeof name === "string" && name && Number.isInteger(seed) && Number.isFinite(score) && typeof settings === "string" && typeof table?.name === "string";
  if (!fine || hiddenOf(new URLSearchParams(settings).get("network")) === null) return { error: `${where} is damaged: ask for it again.` };
  return { result: { name: shortened(name, 40), seed, score, settings, table } };
}

/** Return the results that most files share, and a sentence on each result that is left out. `taken`: list of {result, where}. */
function commonResults(taken) {
  const groups = new Map();
  for (const file of taken) {
    const { table, settings } = file.result;
    const key = JSON.stringify([table.name, table.rows, settings]);
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  const common = [...groups.values()].reduce((most, group) => (group.length > most.length ? group : most), []);
  const problems = taken.filter((file) => !common.includes(file)).map((file) => difference(file, common[0].result));
  const students = new Map();
  for (const { result, where } of common) {
    const before = students.get(plain(result.name));
    students.set(plain(result.name), { result, where });
    if (before) problems.push(`${before.where} and ${where} hold the same name, ${result.name}: they count as one student. If they are two, one of them adds a letter to the name and trains again.`);
  }
  return { results: [...students.values()].map(({ result }) => result), problems };
}

/** Return a sentence on how a result differs from those of the others. */
function difference({ result, where }, usual) {
  if (usual.table.name !== result.table.name) return `${where} was trained on another table (${shortened(result.table.name)}, not ${shortened(usual.table.name)}).`;
  if (usual.table.rows !== result.table.rows) return `${where} was trained on another number of rows (${result.table.rows}, not ${usual.table.rows}).`;
  const word = ({ settings }) => candidateWord(hiddenOf(new URLSearchParams(settings).get("network")));
  const differs = word(usual) === word(result) ? "another recipe" : `${word(result)}, not ${word(usual)}`;
  return `${where} was trained with other settings: ${differs}.`;
}

/** Build the class mode. `trainOne(seed)` trains one network on the first split and resolves to its score. */
export function createClassroom(container, { trainOne, read, onFiles }) {
  const state = { taken: [], results: [], latest: null, turn: 0 };
  const name = element("input", { type: "text", id: "student", maxlength: 40, autocomplete: "off", placeholder: "Your name" });
  const said = element("p", { role: "status" });
  const save = element("button", { type: "button", hidden: true, onclick: () => saveFile(`${state.latest.name.replace(/[^\p{L}\p{N}]+/gu, "_")}.json`, resultText(state.latest), "application/json") }, "Save my result");
  const form = element("form", { class: "buttons" }, element("label", { for: "student" }, "Name "), name, element("button", { type: "submit", class: "main" }, "Train my network"), save);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    train();
  });
  name.addEventListener("input", showOwn);
  const input = element("input", { type: "file", accept: ".json", multiple: true, class: "hidden-input", id: "class-results" });
  input.addEventListener("change", () => {
    onFiles([...input.files]);
    input.value = "";
  });
  const figure = element("figure", { class: "panel class-plot", role: "img", hidden: true });
  const finding = element("p", { class: "small" });
  const forget = element("button", { type: "button", hidden: true, onclick: () => { Object.assign(state, { taken: [], results: [] }); complain([]); update(); } }, "Forget the results");
  const refused = element("p", { class: "problem", role: "alert", hidden: true });
  const list = element("details", { hidden: true }, element("summary", {}, "All results"), element("table"));
  container.append(
    element("p", {}, "Same table, same network, same split for everybody. Your name decides the random start. Save your result and give the file to your teacher."),
    form, said,
    element("p", {}, "Teacher: drop all the files on this page, or choose them. They become one picture."),
    element("div", { class: "buttons" }, element("label", { class: "button", for: "class-results" }, input, "Open results\u2026"), forget),
    refused, figure, finding, list);
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
    const turn = ++state.turn;
    state.latest = null;
    save.hidden = true;
    said.textContent = "Training\u2026";
    const score = await trainOne(seed);
    if (turn !== state.turn) return;
    if (!Number.isFinite(score)) {
      said.textContent = "The training didn't end with a score: lower the learning rate.";
      return;
    }
    state.latest = { name: text, seed, score, settings: given.settings, table: given.table };
    showOwn();
  }

  /** Show the result of the student whose name is in the field; only this one can be saved. */
  function showOwn() {
    const { latest } = state;
    const isNamed = latest !== null && plain(latest.name) === plain(name.value);
    save.hidden = !isNamed;
    if (!isNamed) said.textContent = "";
    else said.replaceChildren(element("b", {}, `${latest.name}: ${scoreText(latest.score, latest.table.task)}`), ` test ${scoreName(latest.table.task)} with seed ${latest.seed}, ${settingsName(latest.settings)}.`);
  }

  /** Say beside the picture which files are not in it, and why. */
  function complain(problems) {
    refused.hidden = !problems.length;
    refused.textContent = problems.length > MOST_PROBLEMS ? `${problems.slice(0, MOST_PROBLEMS).join(" ")} And ${problems.length - MOST_PROBLEMS} more.` : problems.join(" ");
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
    const x = (value) => 30 + (width - 100) * ((value - low) / (high - low));
    for (const tick of ticks(low, high, 5)) label(pen, scoreText(tick, task), x(tick), height - 10, { colour: paints.faint, align: "center" });
    // Each dot lies at its score, on the lowest level where it covers none.
    const ends = [];
    let isRoomy = true;
    const dots = [...state.results].sort((a, b) => a.score - b.score).map(({ name, score }) => {
      const at = x(score);
      const free = ends.findIndex((end) => at - end >= 2 * DOT);
      const level = free < 0 ? ends.length : free;
      if (at - ends[level] < NAME) isRoomy = false;
      ends[level] = at;
      return { name, at, level };
    });
    pen.fillStyle = paints.rule;
    pen.fillRect(16, height - 23, width - 32, 1);
    figure.style.height = `${Math.min(280, 55 + 15 * ends.length)}px`;
    const size = Math.min(15, Math.max(2, (height - 40) / ends.length));
    for (const { name, at, level } of dots) {
      pen.fillStyle = paints.current;
      pen.beginPath();
      pen.arc(at, height - 30 - level * size, Math.min(DOT, size / 2), 0, 7);
      pen.fill();
      if (isRoomy && size > 9) label(pen, shortened(name, 9), at + 8, height - 30 - level * size, { colour: paints.faint, size: 10.5 });
    }
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
    fillTable(list.lastChild, ["name", "seed", `test ${scoreName(task)}`], sorted.map(({ name, seed, score }) => [name, String(seed), scoreText(score, task)]));
    repaint();
  }

  return {
    /** Add the files of students, {result} or {error} each, and `problems` with other files; say what isn't in the picture. */
    add(files, problems) {
      const added = files.filter(({ result }) => result);
      const isAgain = (old) => added.some(({ where, result }) => where === old.where && plain(result.name) === plain(old.result.name));
      const again = state.taken.filter(isAgain);
      state.taken = state.taken.filter((old) => !isAgain(old));
      const fits = MOST_RESULTS - state.taken.length;
      state.taken.push(...added.slice(0, fits));
      const found = commonResults(state.taken);
      state.results = found.results;
      if (added.length > fits) problems = [...problems, `There are ${MOST_RESULTS} results already: forget them first.`];
      if (again.length) problems = [...problems, `Opened before, so ${again.length === 1 ? "it counts" : "each counts"} once: ${shortened(again.map(({ where }) => where).join(", "), 120)}.`];
      complain([...found.problems, ...files.filter(({ error }) => error).map(({ error }) => error), ...problems]);
      update();
      (refused.hidden ? figure : refused).scrollIntoView({ block: "nearest" });
    },
    /** Return the seed of the name in the field, or 0 without one. */
    seed: () => (name.value.trim() ? seedOfName(name.value) : 0),
  };
}
