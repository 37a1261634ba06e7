/** Numbers and small pieces of the page as text and as elements. Texts of a table only ever enter as text nodes. */

/** Return an element. Attributes that start with "on" are listeners; children are elements or texts. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Return 12345 as "12,345". */
export function count(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ","); // toLocaleString is slow, and there are hundreds at the opening
}

/** Return a number with its noun: "1 seed", "100 seeds". */
export function quantity(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

/** Return a number's text with a minus sign in place of a hyphen. */
export const minus = (text) => text.replace("-", "\u2212");

/** Return hundredths as text: one decimal, none of numbers from 1,000 on, no sign of a zero. */
function pointsText(value) {
  return minus(Math.abs(value) < 10 ? (100 * value).toFixed(1).replace(/^-(?=0\.0$)/, "") : count(100 * value));
}

/** Return a score as text: accuracy in per cent; of numbers 100 times R2, from 0 (always the mean) to 100 (perfect). */
export function scoreText(value, task) {
  if (!Number.isFinite(value)) return "\u2013";
  return task === "regression" ? pointsText(value) : `${pointsText(value)}\u202f%`;
}

/** Return two texts of numbers as a range; one if they are equal. */
export function rangeText(low, high) {
  return low === high ? low : `${low} to ${high}`;
}

/** Return the size of a difference between two scores, in points and without a sign. */
export function sizeText(value) {
  return `${pointsText(Math.abs(value))} points`;
}

/** Return a signed difference in points, without the unit: "+1.7". */
export function signedText(value) {
  const text = pointsText(value);
  return value > 0 && text !== "0.0" ? `+${text}` : text;
}

/** Return a gain with its interval, as seedbed compare has it: "linear:5: +1.7 \u00b12.3 points (\u22120.6 to +4.0)". */
export function gainText({ difference, low, high }, over) {
  const signed = [difference, low, high].map(signedText);
  return `${over && `${over}: `}${signed[0]} \u00b1${sizeText((high - low) / 2)} (${signed[1]} to ${signed[2]})`;
}

/** Return a value on the axis of a score as text: all digits that it has, "80 %" or "82.5 %"; of numbers "25". */
export function tickText(value, task) {
  return minus(`${Number((100 * value).toFixed(4))}${task === "regression" ? "" : "\u202f%"}`);
}

/** Return a loss as text. */
export function lossText(value) {
  return Number.isFinite(value) ? value.toPrecision(3) : "\u2013";
}

/** Return the name of the score of a task. */
export function scoreName(task) {
  return task === "regression" ? "score" : "accuracy";
}

/** Return what a point is, as the end of a sentence. */
export function pointMeaning(task) {
  return task === "regression" ? "the score is 0 for always predicting the mean, and 100 for perfect predictions" : "from 80 to 81\u202f% is one point";
}

/** Return a note as a sentence: a capital first, a full stop last. */
export function sentence(note) {
  return `${note.charAt(0).toUpperCase()}${note.slice(1).replace(/\.?$/, ".")}`;
}

/** Return a text in which marks that reorder what follows are visible, such as \\u202e. */
export function visible(text) {
  return text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Return a text cut to a number of characters. */
export function shortened(text, most = 24) {
  const seen = visible(text);
  return seen.length > most ? `${seen.slice(0, most - 1)}\u2026` : seen;
}

/** Fill a table with a row of names and rows whose first cell is a name. */
export function fillTable(table, head, rows) {
  table.replaceChildren(
    element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
    element("tbody", {}, ...rows.map(([name, ...cells]) => element("tr", {}, element("th", { scope: "row" }, name), ...cells.map((text) => element("td", {}, text))))));
}

/** Offer a text as a file. */
export function saveFile(name, text, type = "text/plain") {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = element("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** Return a button that copies a text. */
export function copyButton(read, label = "Copy") {
  const button = element("button", { type: "button" }, label);
  button.addEventListener("click", async () => {
    const text = read();
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // A file opened from the disk may not use the clipboard; the old way still works there.
      const area = element("textarea", { class: "hidden-text", "aria-hidden": "true" });
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}
