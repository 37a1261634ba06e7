/** The network, drawn: inputs, hidden layers, outputs, weights as lines; and the buttons that change it. */

import { canvasIn, colours, label, oncePerFrame } from "./paint.js";
import { ACTIVATION_NAMES, MOST_LAYERS, MOST_UNITS } from "./settings.js";
import { element, shortened } from "./words.js";

const MOST_DRAWN = 12;

/** Draw a network into a place of the page. `onChange` is called with the new hidden layers. */
export function createNetwork(place, { onChange }) {
  const state = { hidden: [], table: null, weights: null };
  const columns = element("div", { class: "columns" });
  const picture = element("div", { class: "picture", role: "img" });
  place.append(element("div", { class: "scroller" }, columns, picture), element("p", { class: "hint" }, "Lines: weights of the highlighted network, dashed below 0"));
  const surface = canvasIn(picture, paint);

  function changed(hidden, focus) {
    onChange(hidden);
    if (focus) place.querySelector(focus)?.focus();
  }

  function layerControls(layer, i) {
    const name = `layer ${i + 1}`;
    const resize = (by) => {
      const units = Math.min(MOST_UNITS, Math.max(1, layer.units + by));
      changed(state.hidden.map((one, j) => (j === i ? { ...one, units } : one)), `[data-layer="${i}"] [data-by="${by}"]`);
    };
    const choose = element("select", { "aria-label": `Activation of ${name}`, title: "What each unit does with its sum; linear passes it on" },
      ...Object.entries(ACTIVATION_NAMES).map(([key, text]) => element("option", { value: key, selected: key === layer.activation }, text)));
    choose.addEventListener("change", () => changed(state.hidden.map((one, j) => (j === i ? { ...one, activation: choose.value } : one)), `[data-layer="${i}"] select`));
    return element("div", { class: "layer", "data-layer": i, role: "group", "aria-label": `Hidden ${name}` },
      element("div", { class: "step" },
        element("button", { type: "button", "data-by": -1, "aria-label": `Fewer units in ${name}`, disabled: layer.units <= 1, onclick: () => resize(-1) }, "\u2212"),
        element("output", { "aria-label": `Units in ${name}` }, String(layer.units)),
        element("button", { type: "button", "data-by": 1, "aria-label": `More units in ${name}`, disabled: layer.units >= MOST_UNITS, onclick: () => resize(1) }, "+")),
      choose);
  }

  function controls() {
    const { hidden } = state;
    const add = () => changed([...hidden, { ...(hidden.at(-1) ?? { units: 5, activation: "linear" }) }], "[data-layers='1']");
    const remove = () => changed(hidden.slice(0, -1), "[data-layers='-1']");
    columns.replaceChildren(
      element("div", { class: "end" }, "inputs"),
      ...hidden.map(layerControls),
      element("div", { class: "end" }, "output"),
    );
    columns.style.setProperty("--layers", hidden.length);
    place.querySelector(".depth")?.remove();
    place.append(element("div", { class: "depth step", role: "group", "aria-label": "Hidden layers" },
      element("button", { type: "button", "data-layers": -1, "aria-label": "Remove the last hidden layer", disabled: !hidden.length, onclick: remove }, "\u2212"),
      element("output", {}, `${hidden.length} hidden layer${hidden.length === 1 ? "" : "s"}`),
      element("button", { type: "button", "data-layers": 1, "aria-label": "Add a hidden layer", disabled: hidden.length >= MOST_LAYERS, onclick: add }, "+"),
      element("span", { class: "hint" }, "more layers: deeper; more units: wider")));
  }

  /** Return the heights at which the units of a layer are drawn; few of many, with a gap that says so. */
  function heights(units, height) {
    const shown = Math.min(units, MOST_DRAWN);
    const gap = Math.min(26, (height - 28) / Math.max(1, shown));
    return Array.from({ length: shown }, (_, i) => height / 2 + (i - (shown - 1) / 2) * gap - (units > shown ? 7 : 0));
  }

  function paint() {
    if (!state.table || !surface.width) return;
    const { pen, height } = surface;
    const paints = colours();
    surface.clear();
    const sizes = [state.table.nInputs, ...state.hidden.map((layer) => layer.units), state.table.nOutputs];
    const boxes = [...columns.children].map((one) => one.offsetLeft + one.offsetWidth / 2);
    const first = columns.children[0];
    boxes[0] = first.offsetLeft + first.offsetWidth - 10;
    const places = sizes.map((units) => heights(units, height));
    for (let layer = 1; layer < sizes.length; layer++) paintWeights(pen, paints, layer, sizes, boxes, places);
    const radius = (i) => Math.min(7, Math.max(3, (places[i][1] - places[i][0] || 20) * 0.34));
    sizes.forEach((units, i) => {
      for (const at of places[i]) {
        pen.beginPath();
        pen.arc(boxes[i], at, radius(i), 0, 7);
        pen.fillStyle = i === 0 ? paints.faint : paints.background;
        pen.fill();
        pen.lineWidth = 2;
        pen.strokeStyle = i === 0 ? paints.faint : paints.current;
        pen.stroke();
      }
      if (units > places[i].length) label(pen, `+${units - places[i].length}`, boxes[i], places[i].at(-1) + 17, { colour: paints.faint, align: "center", size: 11 });
    });
    places[0].forEach((at, i) => {
      const { name, column } = state.table.inputs[i] ?? {};
      if (name === undefined) return;
      const whole = String(name ?? state.table.columns[column].name);
      let most = 11;
      pen.font = `10.5px "Liberation Sans", Arial, Helvetica, sans-serif`;
      while (most > 4 && pen.measureText(shortened(whole, most)).width > boxes[0] - 12) most--;
      label(pen, shortened(whole, most), boxes[0] - 10, at, { colour: paints.faint, align: "right", size: 10.5 });
    });
    picture.setAttribute("aria-label", `Network with ${sizes.join(", ")} units from inputs to output. Line width shows the size of a weight, and dashes a weight below 0.`);
  }

  function paintWeights(pen, paints, layer, sizes, boxes, places) {
    const weight = state.weights?.[layer - 1]?.weight;
    const fits = weight && weight.length === sizes[layer] * sizes[layer - 1];
    let largest = 0;
    if (fits) for (const value of weight) largest = Math.max(largest, Math.abs(value));
    const bend = (boxes[layer] - boxes[layer - 1]) * 0.45;
    places[layer].forEach((to, i) => places[layer - 1].forEach((from, j) => {
      const share = fits ? weight[i * sizes[layer - 1] + j] / (largest || 1) : 0;
      pen.strokeStyle = fits ? paints.ink : paints.faint;
      pen.setLineDash(share < 0 ? [5, 3] : []);
      pen.globalAlpha = fits ? 0.08 + 0.72 * Math.abs(share) : 0.22;
      pen.lineWidth = fits ? 0.4 + 3 * Math.abs(share) : 0.8;
      pen.beginPath();
      pen.moveTo(boxes[layer - 1], from);
      pen.bezierCurveTo(boxes[layer - 1] + bend, from, boxes[layer] - bend, to, boxes[layer], to);
      pen.stroke();
    }));
    pen.setLineDash([]);
    pen.globalAlpha = 1;
  }

  const repaint = oncePerFrame(paint);
  return {
    show(hidden, table) {
      Object.assign(state, { hidden, table, weights: null });
      controls();
      repaint();
    },
    /** Show the weights of one network, as the engine gives them; null shows none. */
    weigh(weights) {
      state.weights = weights;
      repaint();
    },
  };
}
