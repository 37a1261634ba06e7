"use strict";
(() => {
  const MOST_CHOICES = 60;
  const MOST_BARS = 8;
  const at = (id) => document.getElementById(id);
  let token = "";
  let card = null;

  // Everything that comes from the model is set as text: a level may well look like HTML.
  function make(tag, words = "", name = "") {
    const made = document.createElement(tag);
    if (words !== "") made.textContent = words;
    if (name !== "") made.className = name;
    return made;
  }

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
    const row = {};
    for (const input of at("fields").querySelectorAll("[data-column]")) {
      if (input.validity.badInput) throw new Error(`${input.dataset.column} holds no number.`);
      const text = input.value;
      row[input.dataset.column] = text === "" ? null : input.dataset.kind === "number" ? Number(text) : text;
    }
    return row;
  }

  const percent = (p) => `${(100 * p).toFixed(1)}%`;

  function bars(one) {
    let rows = Object.entries(one.probabilities);
    if (rows.length > 2) rows.sort((a, b) => b[1] - a[1]);
    const list = make("ul", "", "bars");
    for (const [label, p] of rows.slice(0, MOST_BARS)) {
      const item = make("li", "", label === one.label ? "chosen" : "");
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
      outlying: "far from all but a few numbers of the training table",
      missing: "missing here, and never in the training table",
    };
    const list = make("ul", "", "flags");
    for (const [kind, words] of Object.entries(kinds)) {
      for (const column of one.flags[kind]) list.append(make("li", `${column}: ${words}.`));
    }
    if (one.doubtful) list.append(make("li", "Most cells say nothing that the model has learnt: this is hardly more than a guess."));
    return list.childNodes.length ? [list] : [];
  }

  function show(one) {
    const networks = card.n_networks === 1 ? "there is one network alone" : `the ${card.n_networks} networks differ by`;
    const number = (value) => String(Number(value.toPrecision(5)));
    const spread = card.n_networks === 1 ? `${networks}, so nothing tells how networks differ.`
      : `${networks} ${"value" in one ? number(one.spread) : (100 * one.spread).toFixed(1) + " points"} (standard deviation).`;
    const head = "value" in one ? make("p", number(one.value), "big") : make("p", one.label, "big");
    const said = [make("p", `${card.target.name} is`, "kicker"), head];
    if (!("value" in one)) said.push(...bars(one));
    said.push(make("p", spread[0].toUpperCase() + spread.slice(1), "small"), ...flags(one));
    at("said").replaceChildren(...said);
  }

  function build() {
    document.title = `${card.target.name} · seedbed`;
    at("title").textContent = `Predict ${card.target.name}`;
    const of = card.n_networks === 1 ? "1 network" : `the mean of ${card.n_networks} networks`;
    const rows = card.training.n_rows === undefined ? "" : `, trained on ${card.training.n_rows.toLocaleString("en")} rows of ${card.training.table}`;
    at("about").textContent = `${card.candidate}, ${of}${rows}.`;
    at("fields").replaceChildren(...card.columns.map(field));
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
      const answer = await ask("/predict", { rows: [values()] });
      show(answer.predictions[0]);
    } catch (error) {
      at("said").replaceChildren(make("p", messageOf(error), "problem"));
    }
    button.disabled = false;
    at("result").scrollIntoView({ block: "nearest" });
  });

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
