"use strict";
(() => {
  const MOST_CHOICES = 60;
  const MOST_BARS = 8;
  const STEPS = 20;
  const at = (id) => document.getElementById(id);
  let token = "";
  let card = null;
  let entered = null; // the row that was predicted, and its prediction
  let asked = 0;

  // Everything that comes from the model is set as text: a level may well look like HTML, or reverse what follows it.
  const visible = (text) => text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);

  /** An element with texts and other elements. */
  function make(tag, words = "", name = "") {
    const made = document.createElement(tag);
    made.append(...[words].flat().map((part) => typeof part === "string" ? visible(part) : part));
    if (name !== "") made.className = name;
    return made;
  }

  const named = (name) => make("bdi", name);

  async function ask(path, body) {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), cache: "no-store" });
    const values = await answer.json();
    if (!answer.ok) {
      const error = values.error;
      throw new Error([error.message, error.hint].filter((part) => part).join(". "));
    }
    return values;
  }

  function messageOf(error) {
    return error instanceof TypeError ? "The server can't be reached." : error.message;
  }

  function field(column, number) {
    const place = make("div", "", "field");
    const label = make("label", column.name);
    const id = `column-${number}`;
    label.htmlFor = id;
    const input = control(column, id, place);
    input.id = id;
    input.dataset.column = column.name;
    input.dataset.kind = column.kind;
    place.prepend(label, input);
    return place;
  }

  function control(column, id, place) {
    if (column.levels.length && column.levels.length <= MOST_CHOICES) {
      const select = make("select");
      for (const level of ["", ...column.levels]) {
        const option = make("option", level === "" ? "missing" : level);
        option.value = level;
        option.defaultSelected = level === column.usual;
        select.append(option);
      }
      return select;
    }
    const input = make("input");
    input.autocomplete = "off";
    if (column.kind === "number") {
      input.type = "number";
      input.step = "any";
      input.defaultValue = column.usual === null ? "" : String(Number(column.usual.toPrecision(6)));
    } else if (column.kind === "date") {
      input.type = column.timed ? "datetime-local" : "date";
      input.defaultValue = column.usual ?? "";
    } else {
      const list = make("datalist");
      list.id = `${id}-levels`;
      list.append(...column.levels.map((level) => {
        const option = make("option");
        option.value = level;
        return option;
      }));
      place.append(list);
      input.setAttribute("list", list.id);
      input.defaultValue = column.usual ?? "";
    }
    return input;
  }

  function values() {
    const row = Object.create(null); // a column may be called __proto__
    for (const input of at("fields").querySelectorAll("[data-column]")) {
      if (input.validity.badInput) throw new Error(`${input.dataset.column} holds no number.`);
      const text = input.value;
      row[input.dataset.column] = text === "" ? null : input.dataset.kind === "number" ? Number(text) : text;
    }
    return row;
  }

  const percent = (p) => `${(100 * p).toFixed(1)}%`;

  function bars(rows, chosen) {
    const list = make("ul", "", "bars");
    for (const [label, p] of rows.slice(0, MOST_BARS)) {
      const item = make("li", "", label === chosen ? "chosen" : "");
      const words = make("div", "", "bar-words");
      words.append(make("span", label), make("span", percent(p)));
      const bar = make("div", "", "bar");
      bar.setAttribute("aria-hidden", "true");
      const filled = make("div");
      filled.style.width = percent(p);
      bar.append(filled);
      item.append(words, bar);
      list.append(item);
    }
    return rows.length > MOST_BARS ? [list, make("p", `and ${rows.length - MOST_BARS} less probable ones`, "small")] : [list];
  }

  function flags(one) {
    const kinds = {
      unseen: "a level that the training table didn't have",
      unreadable: "a cell that can't be read; it counts as missing",
      outlying: "farther out than nearly all numbers of the training table",
      missing: "missing here, and never in the training table",
    };
    const list = make("ul", "", "flags");
    for (const [kind, words] of Object.entries(kinds)) {
      for (const column of one.flags[kind]) list.append(make("li", [named(column), `: ${words}.`]));
    }
    if (one.doubtful) list.append(make("li", "Most cells say nothing that the model has learnt: this is hardly more than a guess."));
    return list.childNodes.length ? [list] : [];
  }

  /** What the model is the mean of, with an s for several. */
  function part(s = "") {
    const { kind, members } = card.architecture;
    const trees = (members ?? []).map(({ network }) => network.kind === "trees");
    return kind === "trees" || (trees.length && trees.every(Boolean)) ? `set${s} of trees` : trees.some(Boolean) ? `fit${s}` : `network${s}`;
  }

  function show(one) {
    const said = [], { labels } = card.target;
    if ("value" in one) said.push(make("p", [named(card.target.name), " is"], "kicker"), make("p", rounded(one.value, 5), "big"));
    else if ("survival" in one) {
      const { horizon, time } = card.target.follow_up;
      const median = one.median === null ? `later than ${rounded(horizon)}` : rounded(one.median);
      said.push(make("p", ["Median ", named(time), " until ", named(card.target.name)], "kicker"), make("p", median, "big"),
        make("p", ["Probability of no ", named(card.target.name), " until ", named(time)], "kicker"),
        ...bars(times(one).map((until) => [rounded(Number(until)), one.survival[until]])));
    } else {
      const rows = Object.entries(one.probabilities);
      if (rows.length > 2) rows.sort((a, b) => b[1] - a[1]);
      said.push(make("p", [named(card.target.name), " is"], "kicker"), make("p", one.label, "big"), ...bars(rows, one.label));
    }
    if (one.range === null) said.push(make("p", "Nothing tells what a model of other rows would say.", "small"));
    else {
      const ends = one.range.map((end) => "value" in one ? rounded(end, 4) : percent(end)).join(" to ");
      const what = "value" in one ? [named(card.target.name)]
        : "survival" in one ? ["the probability of no ", named(card.target.name), ` until ${rounded(card.target.follow_up.horizon)}`]
          : ["the probability of ", named(labels.length === 2 ? labels[1] : one.label)];
      said.push(make("p", ["Trained on as many other rows, a model would say ", ends, " for ", ...what, ", 95 times in 100."], "small"));
    }
    said.push(...flags(one));
    at("said").replaceChildren(...said);
  }

  const times = (one) => Object.keys(one.survival).sort((a, b) => a - b);

  const rounded = (value, digits = 4) => String(Number(value.toPrecision(digits)));

  // How the prediction of the entered row changes with one column, the others as they are.
  const canVary = (column) => column.levels.length ? column.levels.length <= MOST_CHOICES : column.deviation > 0;

  function drawn(tag, attributes, words = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = words;
    return made;
  }

  // Values from two deviations below the mean of training rows to two above, and the row's own.
  function scale(column, own) {
    const isDate = column.kind === "date";
    const words = isDate ? (x) => new Date(1000 * x).toISOString().slice(0, column.timed ? 16 : 10) : rounded;
    const steps = Array.from({ length: STEPS + 1 }, (_, step) => column.mean + (4 * step / STEPS - 2) * column.deviation);
    const x = own === null ? [] : [isDate ? Date.parse(own.includes("T") ? `${own}Z` : own) / 1000 : own];
    return { x: [...steps, ...x].sort((a, b) => a - b), own: x, words, cell: isDate ? words : Number };
  }

  function line(column, { x, own, words }, seen, shown, of) {
    const width = 300, height = 150, last = x.length - 1;
    const ends = seen.flatMap(({ value, range }) => range ?? [value]);
    const [low, high] = of !== null ? [0, 1] : [Math.min(...ends), Math.max(...ends)];
    const across = (value) => (width * (value - x[0]) / (x[last] - x[0])).toFixed(2);
    const up = (value) => (height * (1 - Math.min(1, Math.max(0, (value - low) / (high - low || 1))))).toFixed(2);
    const points = (value) => seen.map((one, place) => `${across(x[place])},${up(value(one))}`);
    const said = `From ${shown(seen[0])} at ${words(x[0])} to ${shown(seen[last])} at ${words(x[last])}.`;
    const chart = drawn("svg", { viewBox: `-6 -6 ${width + 12} ${height + 12}`, role: "img", "aria-label": said });
    const band = seen.every(({ range }) => range) ? [...points((one) => one.range[0]), ...points((one) => one.range[1]).reverse()] : [];
    chart.append(drawn("rect", { width, height, class: "frame" }), drawn("polygon", { points: band.join(" "), class: "band" }),
      drawn("polyline", { points: points((one) => one.value).join(" "), class: "line" }));
    for (const value of own) chart.append(drawn("circle", { cx: across(value), cy: up(seen[x.indexOf(value)].value), r: 5 }));
    const below = [said, `The frame is ${of !== null ? "0 to 100%" : `${rounded(low)} to ${rounded(high)}`} high.`];
    if (own.length) below.push("The dot is this row.");
    if (band.length) below.push("The band: what a model of other rows would say, 95 times in 100.");
    return [chart, make("p", below.join(" "), "small")];
  }

  function list(column, seen, shown, of) {
    const all = make("ul", "", "bars");
    column.levels.forEach((level, place) => {
      const item = make("li", "", level === entered.row[column.name] ? "chosen" : "");
      const words = make("div", "", "bar-words"), bar = make("div", "", "bar"), filled = make("div");
      words.append(make("span", level), make("span", shown(seen[place])));
      filled.style.width = of !== null ? percent(seen[place].value) : 0;
      bar.append(filled);
      item.append(words, ...of !== null ? [bar] : []);
      all.append(item);
    });
    return [all, ...seen.some(({ range }) => range) ? [make("p", "In brackets: what a model of other rows would say, 95 times in 100.", "small")] : []];
  }

  async function vary() {
    const column = card.columns.find(({ name }) => name === at("vary").value), turn = ++asked;
    if (!entered || !column) return;
    const { labels, task } = card.target;
    const of = task === "regression" ? null : task === "multiclass" ? entered.one.label : labels[1];
    const until = task === "survival" ? times(entered.one).at(-1) : null;
    const ofWords = of === null ? [named(card.target.name)] : until !== null ? ["Probability of no ", named(card.target.name), ` until ${rounded(Number(until))}`]
      : ["Probability that ", named(card.target.name), " is ", named(of)];
    try {
      const along = column.levels.length ? null : scale(column, entered.row[column.name]);
      const cells = along ? along.x.map(along.cell) : column.levels;
      const answer = await ask("/predict", { rows: cells.map((cell) => ({ ...entered.row, [column.name]: cell })) });
      // The range is that of the most probable label, which may be another one.
      const valueOf = (one) => until !== null ? one.survival[until] : of !== null ? one.probabilities[of] : one.value;
      const seen = answer.predictions.map((one) => ({ value: valueOf(one), range: task === "multiclass" ? null : one.range }));
      const written = (number) => of !== null ? percent(number) : rounded(number);
      const shown = ({ value, range }) => written(value) + (range ? ` (${range.map(written).join(" to ")})` : "");
      if (turn !== asked) return;
      at("varied").dataset.column = column.name;
      at("varied").replaceChildren(make("p", ofWords, "kicker"),
        ...along ? line(column, along, seen, shown, of) : list(column, seen, shown, of));
    } catch (error) {
      if (turn === asked) at("varied").replaceChildren(make("p", messageOf(error), "problem"));
    }
  }

  function build() {
    document.title = visible(`${card.target.name} · seedbed`);
    at("warnings").replaceChildren(...card.warnings.map((warning, place) => make("p", `${place ? "" : "All this may be wrong. "}${warning}`, "problem")));
    at("title").replaceChildren("Predict ", named(card.target.name));
    const of = card.n_networks === 1 ? `1 ${part()}` : `the mean of ${card.n_networks} ${part("s")}`;
    const rows = card.training.n_rows === undefined ? [] : [`, trained on ${card.training.n_rows.toLocaleString("en")} rows of `, named(card.training.table)];
    at("about").replaceChildren(named(card.candidate), `, ${of}`, ...rows, ".");
    at("fields").replaceChildren(...card.columns.map(field));
    at("vary").replaceChildren(...card.columns.filter(canVary).map(({ name }) => new Option(visible(name), name)));
    at("score").replaceChildren(...card.sentences.map((sentence) => make("p", sentence)));
    at("entry").hidden = true;
    at("model").hidden = false;
    document.body.dataset.ready = "yes";
  }

  at("row").addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.target.querySelector("button");
    button.disabled = true;
    try {
      const row = values();
      const answer = await ask("/predict", { rows: [row] });
      entered = { row, one: answer.predictions[0] };
      show(entered.one);
      at("what-if").hidden = !at("vary").options.length;
      vary();
    } catch (error) {
      at("said").replaceChildren(make("p", messageOf(error), "problem"));
      at("what-if").hidden = true;
    }
    button.disabled = false;
    at("result").scrollIntoView({ block: "nearest" });
  });

  at("vary").addEventListener("change", vary);

  async function begin() {
    try {
      card = await ask("/card");
      build();
    } catch (error) {
      at("entry-problem").textContent = messageOf(error);
      at("entry").hidden = false;
    }
  }

  at("entry").addEventListener("submit", (event) => {
    event.preventDefault();
    token = at("token").value.trim();
    begin();
  });

  if (document.body.dataset.token === "yes") {
    at("entry").hidden = false;
    document.body.dataset.ready = "token";
  } else {
    begin();
  }
})();
