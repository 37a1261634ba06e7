// What a reader can reuse: the command, the Python code and the plain PyTorch code of what the page shows, and its scores.
import { isPlain } from "./cells.js";
import { splitRows, testSize } from "./splits.js";

/** Seedbed's word for hidden layers: "linear:20,20", "relu:5+tanh:3", "logistic". */
export function candidateWord(hidden) {
  const parts = [];
  for (const { units, activation } of hidden) {
    if (parts.at(-1)?.activation === activation) parts.at(-1).units.push(units);
    else parts.push({ activation, units: [units] });
  }
  return parts.map(({ activation, units }) => `${activation}:${units.join(",")}`).join("+") || "logistic";
}

/** The words of each request: its network, and after an @ what of its recipe isn't common to all requests. */
function candidateWords(requests) {
  const settings = (request) => ({
    optimizer: request.optimizer, lr: request.lr, epochs: request.epochs, weight_decay: request.weightDecay ?? 0,
  });
  const [first, ...others] = requests.map(settings);
  const own = Object.keys(first).filter((name) => others.some((other) => other[name] !== first[name]));
  const words = requests.map((request) => {
    const all = settings(request), special = own.map((name) => `${name}=${all[name]}`).join(",");
    return candidateWord(request.hidden) + (special ? `@${special}` : "");
  });
  return { words, common: Object.entries(first).filter(([name]) => !own.includes(name)) };
}

/** A text as one word of a shell's command line. */
function shellWord(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

/** A text as Python's code. */
function pythonText(text) {
  return JSON.stringify(text).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}

/** A text, number, truth value or list of these as Python's code. */
function pythonValue(value) {
  if (Array.isArray(value)) return `[${value.map(pythonValue).join(", ")}]`;
  return typeof value === "string" ? pythonText(value) : value === true ? "True" : value === false ? "False" : String(value);
}

function command(table, requests) {
  const { words, common } = candidateWords(requests);
  const parts = ["seedbed", "compare", shellWord(fileOf(table)), "--target", shellWord(table.target)];
  for (const [name, value] of Object.entries(table.reading ?? {}))
    for (const one of [value].flat()) parts.push(`--${name.replaceAll("_", "-")}`, ...(one === true ? [] : [shellWord(String(one))]));
  for (const word of new Set(words)) parts.push("--candidate", shellWord(word));
  parts.push("--recipe", "tutorial");
  for (const [name, value] of common) parts.push(`--${name.replaceAll("_", "-")}`, String(value));
  if (table.task !== "regression") parts.push("--metric", "accuracy");
  return parts.join(" ");
}

const fileOf = (table) => table.source ?? `${table.name}.csv`;

function python(table, requests) {
  const { words, common } = candidateWords(requests);
  const design = table.task === "regression" ? "" : '    design=sb.Design(metric="accuracy"),\n';
  const recipe = common.map(([name, value]) => `${name}=${pythonValue(value)}`).join(", ");
  const options = Object.entries(table.reading ?? {}).map(([name, value]) => `, ${name}=${pythonValue(value)}`).join("");
  return `import seedbed as sb

comparison = sb.compare(
    sb.read_table(${pythonText(fileOf(table))}, target=${pythonText(table.target)}${options}),
    candidates=${pythonValue([...new Set(words)])},
    recipe=sb.Recipe.tutorial(${recipe}),
${design})
print(comparison)
`;
}

const MODULES = {
  relu: "ReLU", tanh: "Tanh", sigmoid: "Sigmoid", elu: "ELU", gelu: "GELU", silu: "SiLU", leaky_relu: "LeakyReLU",
};

/** Python's code that takes the numbers out of cells such as "€ 1,200". */
function numbersFrom({ clocks = [], scaled = [], ...dressed }) {
  const seconds = `for name in ${pythonValue(clocks)}:
    parts = table[name].astype(str).str.extract(r"(\\d+):(\\d\\d)(?::([\\d.]+))?").astype(float).fillna({2: 0})
    table[name] = 3600 * parts[0] + 60 * parts[1] + parts[2]
`, exponents = `for name in ${pythonValue(scaled)}:
    for letter, power in (("k", 3), ("m", 6), ("b", 9)):
        table[name] = table[name].str.replace(rf"(?i)(?<=\\d)\\s?{letter}n?", f"e{power}", regex=True)
`;
  return (clocks.length ? seconds : "") + (scaled.length ? exponents : "") + Object.entries(dressed).filter(([, names]) => names.length).map(([mark, names]) => `for name in ${pythonValue(names)}:
    text = table[name].astype(str)
    digits = text.str.extract(r"((?:(?<!\\w)[.,])?\\d[\\d.,'’\\s]*(?:[eE][+-]?\\d+)?)")[0]
    digits = digits.str.replace(r"[${mark === "point" ? "," : "."}'’\\s]", "", regex=True)${mark === "point" ? "" : `.str.replace(",", ".")`}
    table[name] = pd.to_numeric(digits, errors="coerce").where(~text.str.match(r"\\D*[(−-]"), lambda number: -number)
`).join("");
}

/** Python code that replaces the numbers and words that the user names as missing. */
function gapsFrom({ reading, columns, target }) {
  const names = [...columns.map((column) => column.source ?? column.name), target].sort((a, b) => b.length - a.length);
  return (reading?.missing ?? []).map((option) => {
    const name = names.find((one) => option.startsWith(`${one}=`)), word = option.slice((name ?? "").length + 1), place = `table[${pythonText(name ?? "")}]`;
    return name === undefined ? "" : `${place} = ${place}.mask(${place}.isin([${pythonText(word)}${isPlain(word) ? `, ${Number(word)}` : ""}]))\n`;
  }).join("");
}

function pytorch(table, request) {
  const { hidden, optimizer, lr, epochs, weightDecay = 0 } = request, lines = [];
  const split = request.networks[0].split, seed = request.networks[0].seed, K = table.nOutputs;
  let width = "X.shape[1]";
  for (const { units, activation } of hidden) {
    lines.push(`    nn.Linear(${width}, ${units}),`);
    if (activation !== "linear") lines.push(`    nn.${MODULES[activation]}(),`);
    width = units;
  }
  lines.push(`    nn.Linear(${width}, ${K}),`);
  const classes = table.task !== "regression";
  const goal = classes ? `table[target].astype("category").cat.codes.to_numpy()` : "table[target].to_numpy(dtype=float)";
  const loss = { binary: "BCEWithLogitsLoss", multiclass: "CrossEntropyLoss", regression: "MSELoss" }[table.task];
  const [kind, shape] = table.task === "multiclass" ? ["long", ""] : ["float32", ".reshape(-1, 1)"];
  const right = {
    binary: "((outputs > 0) == (Y[test] > 0.5)).float().mean()",
    multiclass: "(outputs.argmax(1) == Y[test]).float().mean()",
    regression: "1 - ((outputs - Y[test]) ** 2).mean() / Y[test].var(correction=0)",
  }[table.task];
  const { separator = ",", titles = 0, decimal = ".", dressed = {}, splits } = table, isSklearn = splits && !splits.grouped;
  const reading = (separator === "," ? "" : `, sep=${pythonText(separator)}`) + (decimal === "." ? "" : ', decimal=","') + (titles ? `, header=${titles}` : "");
  const standard = classes ? "" : "y = (y - y[train].mean()) / y[train].std()\n";
  const division = isSklearn
    ? `train, test = train_test_split(range(len(y)), test_size=0.2, random_state=${split}${classes ? ", stratify=y" : ""})`
    : `test = [${splitRows(table, split).test.join(", ")}]  # ${splits ? "rows of a group stay together" : `split ${split} of the page`}
train = sorted(set(range(len(y))) - set(test))`;
  return `import pandas as pd
import torch
${isSklearn ? "from sklearn.model_selection import train_test_split\n" : ""}from torch import nn

target = ${pythonText(table.target)}
table = pd.read_csv(${pythonText(fileOf(table))}${reading})
${gapsFrom(table)}${numbersFrom(dressed)}table = table.dropna(subset=[target])
y = ${goal}
names = ${pythonValue([...new Set(table.columns.map((column) => column.source ?? column.name))])}
X = pd.get_dummies(table[names], dtype=float)
${division}

# Everything that is learned of the columns comes from the training rows.
X = X.fillna(X.iloc[train].median()).to_numpy()
X = (X - X[train].mean(axis=0)) / X[train].std(axis=0).clip(1e-12)
${standard}X, Y = torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.${kind})${shape}

torch.manual_seed(${seed})
model = nn.Sequential(
${lines.join("\n")}
)
loss_function = nn.${loss}()
optimizer = torch.optim.${optimizer === "sgd" ? "SGD" : "AdamW"}(model.parameters(), lr=${lr}, weight_decay=${weightDecay})
for epoch in range(${epochs}):
    optimizer.zero_grad()
    loss = loss_function(model(X[train]), Y[train])
    loss.backward()
    optimizer.step()

with torch.no_grad():
    outputs = model(X[test])
    print(f"test ${classes ? "accuracy" : "R2"} {${right}:.3f}")
`;
}

/** A float32 number with 6 digits, which are those that its arithmetic keeps: 0.85 and not 0.8499998450279236. */
export function shortNumber(value) {
  return Math.fround(value) === value ? Number(value.toPrecision(6)) : value;
}

/** The scores of runs as CSV, one line for each network: what `seedbed judge` reads. */
function scores(table, runs) {
  const name = table.task === "regression" ? "r2" : "accuracy", lines = [`candidate,split,seed,n_train,n_test,${name}`];
  const { words } = candidateWords(runs.map((run) => run.request));
  const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  runs.forEach((run, place) => {
    const R = run.epochs.length;
    const word = words.indexOf(words[place]) < place ? `${words[place]} (${place + 1})` : words[place];
    run.request.networks.forEach(({ split, seed }, network) => {
      const score = run.curves.testScore[network * R + R - 1];
      const nTest = testSize(table, split);
      if (Number.isFinite(score)) lines.push([quoted(word), split, seed, table.rows - nTest, nTest, shortNumber(score)].join(","));
    });
  });
  return `${lines.join("\n")}\n`;
}

/**
 * Texts to reuse.
 *
 * @param {object} table see engine.js
 * @param {object[]} shown runs or requests, the reference first
 * @returns {{command: string, python: string, pytorch: string, scores: string}} `pytorch` trains the last one's first
 *   network; `scores` is empty of requests
 */
export function exports(table, shown) {
  if (!shown.length) return { command: "", python: "", pytorch: "", scores: "" };
  const requests = shown.map((one) => one.request ?? one), runs = shown.filter((one) => one.curves);
  return {
    command: command(table, requests),
    python: python(table, requests),
    pytorch: pytorch(table, requests.at(-1)),
    scores: runs.length ? scores(table, runs) : "",
  };
}
