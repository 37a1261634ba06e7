/** Take it along: command, Python, plain PyTorch, scores, and a link with all settings. */

import { choiceOf } from "./controls.js";
import { exports } from "./export.js";
import { copyButton, element, saveFile } from "./words.js";

const KINDS = {
  command: ["Command", "Runs the comparison with seedbed, on all its splits, with a report.", ".sh"],
  python: ["Python", "The same from Python.", ".py"],
  pytorch: ["PyTorch", "This network and its training loop, without seedbed.", "-torch.py"],
  scores: ["Scores", "Every score of this page as CSV. seedbed judge gives the same verdict on it.", ".csv"],
  link: ["Link", "Opens this page with these settings. For a class: everybody needs this file.", ".url"],
};

/** Build the section. `read` returns {table, requests, link}, and is called when a text is wanted. */
export function createTakeaway(place, read) {
  let kind = "command";
  const tabs = element("div", { class: "choice", role: "radiogroup", "aria-label": "What to take along" });
  const says = element("p", { class: "small" });
  const text = element("pre", { tabindex: "0", "aria-label": "Text to take along" });
  const save = element("button", { type: "button", onclick: () => saveFile(`${fileName()}${KINDS[kind][2]}`, whole()) }, "Save");
  place.append(tabs, says, text, element("div", { class: "buttons" }, copyButton(whole), save));
  choiceOf(tabs, "takeaway", Object.fromEntries(Object.entries(KINDS).map(([key, [name]]) => [key, name])), kind, (value) => {
    kind = value;
    show();
  });

  const fileName = () => (read()?.table.name ?? "play").replace(/[^\w-]+/g, "_");

  function whole() {
    const given = read();
    if (!given) return "";
    return kind === "link" ? given.link : exports(given.table, given.requests)[kind];
  }

  function show() {
    says.textContent = KINDS[kind][1];
    const lines = whole().split("\n");
    text.textContent = lines.length > 40 ? [...lines.slice(0, 12), `\u2026 ${lines.length - 12} more lines`].join("\n") : lines.join("\n");
  }

  return { show };
}
