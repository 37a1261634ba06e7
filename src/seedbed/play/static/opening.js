/** Where the table comes from: the one in this file, a toy, or a CSV that is dropped or chosen. */

import { element } from "./words.js";

/** What each toy shows, and its usual noise. */
const TOYS = { moons: ["two half moons", 0.25], circles: ["a ring in a ring", 0.15], xor: ["four corners", 0.15], spiral: ["two spirals", 0.05] };

/** Names of the toy tables. */
export const TOY_NAMES = Object.keys(TOYS);

/** Build the row of tables. `ownName` is the name of the table in the file, or null. Files go to `onFiles`. */
export function createOpening(container, { ownName, onOwn, onToy, onFiles }) {
  const buttons = new Map();
  const add = (name, title, onclick) => {
    const button = element("button", { type: "button", title, "aria-pressed": "false", onclick }, name);
    buttons.set(name, button);
    container.append(button);
  };
  container.append(element("span", { class: "small", "aria-hidden": "true" }, "Table"));
  if (ownName !== null) add(ownName, "The table in this file", onOwn);
  for (const [name, [says, usual]] of Object.entries(TOYS)) {
    add(name, `A toy: ${says}`, () => {
      reshape({ noise: usual });
      onToy(name);
    });
  }
  const input = element("input", { type: "file", accept: ".csv,text/csv,.txt,.tsv,.json", multiple: true, class: "hidden-input", id: "file" });
  input.addEventListener("change", () => {
    onFiles([...input.files]);
    input.value = "";
  });
  container.append(element("label", { class: ownName === null ? "button zone" : "button", for: "file", title: "Nothing leaves this browser" }, input, ownName === null ? "Drop your CSV file here, or choose it\u2026" : "Your CSV\u2026"));
  const rows = element("input", { type: "range", id: "toy-rows", min: 50, max: 2000, step: 50, value: 300 });
  const noise = element("input", { type: "range", id: "toy-noise", min: 0, max: 0.5, step: 0.05, value: 0.25 });
  const shape = element("span", { class: "shape", hidden: true },
    element("label", {}, "Rows ", rows, element("output", {}, "300")), element("label", {}, "Noise ", noise, element("output", {}, "0.25")));
  container.append(shape);
  let toy = null;
  for (const input of [rows, noise]) {
    input.addEventListener("input", () => {
      input.nextSibling.textContent = input.value;
      if (toy) onToy(toy);
    });
  }

  /** Set rows and noise of the toys. */
  function reshape(given) {
    for (const [input, value] of [[rows, given.rows], [noise, given.noise]]) {
      if (!Number.isFinite(value)) continue;
      input.value = value;
      input.nextSibling.textContent = input.value;
    }
  }

  return {
    reshape,
    shape: () => ({ rows: Number(rows.value), noise: Number(noise.value) }),
    /** Mark the table that is in use. */
    mark(name, isToy) {
      toy = isToy ? name : null;
      shape.hidden = !isToy;
      for (const [table, button] of buttons) button.setAttribute("aria-pressed", String(table === name && (isToy || table === ownName)));
    },
  };
}

/** Ask which column of a dropped table is the target. */
export function askTarget(form, name, columns, onChoose) {
  const choose = element("select", { id: "target-column" }, ...columns.map((column) => element("option", { value: column, selected: column === columns.at(-1) }, column)));
  form.replaceChildren(
    element("label", { for: "target-column" }, element("b", {}, name), element("span", {}, " has been read. Which column should be predicted?")),
    choose, ...(columns.some((column) => Number.isFinite(Number(column))) ? [element("span", {}, "The first line should name the columns; in this file it holds a number.")] : []), element("button", { type: "submit", class: "main" }, "Train on it"),
    element("button", { type: "button", onclick: () => { form.hidden = true; } }, "Cancel"));
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    onChoose(choose.value);
  };
  choose.focus();
}

/** Let files be dropped anywhere on the page. */
export function acceptDrops(cover, onFiles) {
  let depth = 0;
  const show = (by) => {
    depth = Math.max(0, depth + by);
    cover.hidden = depth === 0;
  };
  addEventListener("dragenter", (event) => { event.preventDefault(); show(1); });
  addEventListener("dragleave", () => show(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    show(0);
    onFiles([...event.dataTransfer.files]);
  });
}
