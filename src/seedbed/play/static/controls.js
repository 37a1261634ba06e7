/** The recipe: one control each, with one line that says what it does. And the tutorial's networks, one click each. */

import { candidateWord } from "./export.js";
import { EPOCH_STEPS, LEARNING_RATES, MOST_SEEDS, MOST_SPLITS, OPTIMIZER_NAMES, PRESETS, TUTORIAL, withRecipe } from "./settings.js";
import { count, element } from "./words.js";

/** Return a row of buttons of which one is pressed. The arrow keys move between them. */
export function choiceOf(container, name, labels, chosen, onChoose) {
  const buttons = Object.entries(labels).map(([value, text]) => {
    const input = element("input", { type: "radio", name, value, checked: value === chosen });
    input.addEventListener("change", () => onChoose(value));
    return element("label", {}, input, element("span", {}, text));
  });
  container.replaceChildren(...buttons);
  return { set: (value) => { for (const { firstChild } of buttons) firstChild.checked = firstChild.value === value; } };
}

/** Build the recipe's controls. `onChange` is called with the settings that change. */
export function createControls(container, presets, { onChange }) {
  const shown = {};

  function row(name, says, control, hint) {
    const output = element("output", { for: `set-${name}` });
    container.append(element("div", { class: `row ${name}` },
      element("label", { for: `set-${name}` }, says), output, control,
      element("span", { class: "hint", id: `hint-${name}` }, hint)));
    return output;
  }

  function slider(name, says, hint, steps, text = count) {
    const input = element("input", { type: "range", id: `set-${name}`, min: 0, max: steps.length - 1, step: 1, "aria-describedby": `hint-${name}` });
    const output = row(name, says, input, hint);
    const show = (value) => {
      const nearest = steps.reduce((best, step, i) => (Math.abs(Math.log(step / value)) < Math.abs(Math.log(steps[best] / value)) ? i : best), 0);
      if (Number(input.value) !== nearest || !output.textContent) input.value = nearest;
      output.textContent = text(value);
      input.setAttribute("aria-valuetext", `${text(value)} ${says.toLowerCase()}`);
    };
    input.addEventListener("input", () => {
      const value = steps[Number(input.value)];
      show(value);
      onChange({ [name]: value });
    });
    shown[name] = show;
  }

  const optimizer = element("div", { class: "choice", role: "radiogroup", id: "set-optimizer", "aria-label": "Optimizer", "aria-describedby": "hint-optimizer" });
  row("optimizer", "Optimizer", optimizer, "SGD steps straight downhill; AdamW adapts its steps");
  const choice = choiceOf(optimizer, "optimizer", OPTIMIZER_NAMES, TUTORIAL.optimizer, (value) => onChange({ optimizer: value }));
  shown.optimizer = choice.set;
  slider("lr", "Learning rate", "the size of a step", LEARNING_RATES, String);
  slider("epochs", "Epochs", "how often it sees all training rows", EPOCH_STEPS);
  const range = (most) => Array.from({ length: most }, (_, i) => i + 1);
  slider("seeds", "Seeds", "random starts, one network for each", range(MOST_SEEDS));
  slider("splits", "Splits", "random choices of the test rows, 3 seeds for each", range(MOST_SPLITS));
  container.addEventListener("submit", (event) => event.preventDefault());

  for (const { hidden, says } of PRESETS) {
    const word = candidateWord(hidden);
    presets.append(element("button", { type: "button", "data-word": word, title: `${says}, with the tutorial's recipe`, onclick: () => onChange(withRecipe({}, { ...TUTORIAL, hidden })) },
      element("b", {}, word), element("span", {}, says)));
  }

  return {
    show(settings) {
      for (const [name, show] of Object.entries(shown)) show(settings[name]);
      const word = candidateWord(settings.hidden);
      for (const button of presets.children) button.setAttribute("aria-pressed", String(button.dataset.word === word));
    },
  };
}
