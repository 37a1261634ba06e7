/** Export: command, Python, plain PyTorch, scores, and all settings as a link or a file. */

import { choiceOf } from "./controls.js";
import { exports } from "./export.js";
import { copyButton, element, saveFile } from "./words.js";

const KINDS = {
  command: ["Command", "Runs the comparison with seedbed and writes a report. It makes splits of its own, so its scores are close to those here, not equal.", ".sh"],
  python: ["Python", "The same from Python.", ".py"],
  pytorch: ["PyTorch", "This network and its training loop on the first split, without seedbed. Its random start is another one, so its score lies among those of the seeds.", "-torch.py"],
  scores: ["Scores", "The scores of all splits as CSV. seedbed judge gives the same verdict on them.", "-scores.csv"],
  link: ["Settings", "The link opens this page with these settings, the reference included. It works only where the page is at this address, as on a website. For a copy of the page, save the settings as a file and drop it there.", ".json"],
};

const SETTINGS_MARK = "seedbed play settings";

/** Return the fragment of a file of settings, or null if the text is none. */
export function readSettings(text) {
  try {
    const given = JSON.parse(text);
    return given?.kind === SETTINGS_MARK && typeof given.settings === "string" ? given.settings : null;
  } catch {
    return null;
  }
}

/** Return a table of two numbers and a class as CSV. */
function tableText(table) {
  const lines = [[...table.inputs.map((input) => input.name), table.target].join(",")];
  for (let row = 0; row < table.rows; row++) {
    lines.push([...table.x.subarray(row * table.nInputs, (row + 1) * table.nInputs), table.classes[table.y[row]]].join(","));
  }
  return `${lines.join("\n")}\n`;
}

/** Build the section. `read` returns {table, isToy, requests, link}, and is called when a text is wanted; `requests` is null while
 * the networks train. */
export function createTakeaway(place, read) {
  let kind = "command";
  const tabs = element("div", { class: "choice", role: "radiogroup", "aria-label": "What to export" });
  const says = element("p", { class: "small" });
  const text = element("pre", { tabindex: "0", "aria-label": "Text to export" });
  const save = element("button", { type: "button", onclick: () => saveFile(`${fileName()}${KINDS[kind][2]}`, kind === "link" ? settingsText() : whole()) }, "Save");
  const toy = element("button", { type: "button", hidden: true, onclick: () => saveFile(`${fileName()}.csv`, tableText(read().table)) }, "Save the table");
  const copy = copyButton(whole);
  place.append(tabs, says, text, element("div", { class: "buttons" }, copy, save, toy));
  choiceOf(tabs, "takeaway", Object.fromEntries(Object.entries(KINDS).map(([key, [name]]) => [key, name])), kind, (value) => {
    kind = value;
    show();
  });

  const fileName = () => (read()?.table.name ?? "play").replace(/[^\w-]+/g, "_");

  function whole() {
    const given = read();
    if (kind === "link") return given?.link ?? "";
    return given?.requests ? exports(given.table, given.requests)[kind] : "";
  }

  function settingsText() {
    return `${JSON.stringify({ kind: SETTINGS_MARK, settings: new URL(read().link).hash })}\n`;
  }

  function show() {
    toy.hidden = !read()?.isToy;
    says.textContent = KINDS[kind][1];
    const all = whole();
    copy.disabled = save.disabled = !all;
    const lines = (all || "This is written when all networks are trained.").split("\n");
    const shown = lines.length > 40 ? [...lines.slice(0, 12), `\u2026 ${lines.length - 12} more lines`].join("\n") : lines.join("\n");
    // Options such as --target are not broken after a hyphen.
    if (kind === "command") text.replaceChildren(...shown.split(/(\s+)/).map((part, i) => (i % 2 ? part : element("span", {}, part))));
    else text.textContent = shown;
  }

  return { show };
}
