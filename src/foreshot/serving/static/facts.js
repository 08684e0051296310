// Which model answers: how it was made, how good it is and, never without that, how it behaves.

import { element, icon } from "./dom.js";
import { called, capital, count, counted, cutsOf, listed } from "./wording.js";

const ADVISED = ["recommended", "acceptable", null];
const METRICS = {
  accuracy: "accuracy",
  macro_f1: "macro-F1",
  mcc: "MCC",
  auroc: "AUROC",
  average_precision: "average precision",
  f1: "F1",
};
const TUNINGS = { full: "every weight trained", lora: "LoRA adapters trained" };
const OBJECTIVES = { distil: "distilled from the teacher", labels: "learnt from labels alone" };
const SHORT = 8; // characters of a checksum
const WEAKEST = 4;

/** A sentence of warning where the comparison doesn't advise the model; null where it does or never judged it. */
export function warningOf(model) {
  if (ADVISED.includes(model.verdict)) return null;
  const reason = model.verdict_reasons[0];
  const words = `The comparison's verdict: ${model.verdict}${reason ? `. ${capital(reason)}` : ""}.`;
  return element("p", { class: "warning" }, icon("warning"), element("span", {}, words.replace(/\.\.$/, ".")));
}

/** What can be opened to see which model this is; its summary is enough to name it. */
export function factsOf(model, { open }) {
  const rows = [
    ["Recipe", recipe(model)],
    ["Layers", layers(model)],
    ["Size", `${millions(model.parameters)} parameters, ${model.file}`],
    ["Reads", `the first ${count(model.max_length)} tokens of a text`],
    ["Decides", deciding(model)],
    ["Labels", labels(model)],
    ["Test rows", tested(model)],
    ["Behaviour", behaviour(model)],
    ["Weakest on", weakest(model)],
    ["Teacher", model.teacher],
    ["Encoder", model.encoder],
    ["Made", made(model)],
    ["Checksum", checksum(model)],
  ];
  const list = element("dl");
  for (const [name, value] of rows) {
    if (value) list.append(element("dt", {}, name), element("dd", {}, value));
  }
  return element(
    "details",
    { class: "facts", open },
    element("summary", {}, element("span", { class: "unseen" }, `About ${model.name}: `), short(model)),
    list,
  );
}

function short(model) {
  const name = model.recipe?.name ?? model.title;
  return [...new Set([name, layersInShort(model), digest(model).slice(0, SHORT)])].filter(Boolean).join(" · ");
}

const digest = (model) => model.checksum.replace(/^sha256:/, "");

function layersInShort(model) {
  if (model.layer_map?.length) return `layers ${model.layer_map.join(", ")}`;
  return model.layers ? counted(model.layers, "layer") : null;
}

function recipe(model) {
  const { recipe } = model;
  if (!recipe) return null;
  const start = recipe.init === "teacher" ? "starting from the teacher" : "starting from the encoder";
  return [recipe.name, TUNINGS[recipe.tuning], OBJECTIVES[recipe.objective], start].filter(Boolean).join(", ");
}

function layers(model) {
  if (!model.layers) return null;
  return model.layer_map?.length
    ? `${model.layers}: the teacher's ${listed(model.layer_map.map(String))}`
    : String(model.layers);
}

function millions(parameters) {
  return parameters < 1e5 ? count(parameters) : `${(parameters / 1e6).toFixed(parameters < 1e7 ? 1 : 0)} million`;
}

function deciding(model) {
  const cuts = cutsOf(model).map((cut) => cut.toFixed(2));
  const { policy } = model.decision;
  const judged = model.by_label ? `by the label ${model.positive}` : policy === "argmax" && "by the likelier class";
  const by = [judged, policy === "argmax" ? null : `by the policy ${policy}`].filter(Boolean).join(", ");
  if (!model.bands.length) return "by the likeliest class";
  const [first = "0", second] = cuts;
  return second ? `${by}: review from ${first}, block from ${second}` : `${by}: threshold ${first}`;
}

function labels(model) {
  if (!model.by_label) return null;
  const items = Object.entries(model.by_label).map(([label, rule]) => {
    const [from = 0] = cutsOf(rule);
    const { auroc = null, f1 = null } = model.label_metrics?.[label] ?? {};
    const figures = model.suite_result ? figuresOf({ auroc, f1 }) : "";
    return element("li", {}, `${label}: from ${from.toFixed(2)}${figures && `; ${figures}`}`);
  });
  return element("ul", {}, ...items);
}

function tested(model) {
  if (!Object.values(model.metrics).some((value) => value !== null)) return null;
  // A metric alone hides what a model does with sentences.
  if (!model.suite_result) return "not shown: its bundle has no behavioural suite's result to stand beside them";
  const figures = figuresOf(model.metrics, (name) => {
    if (!model.by_label) return "";
    return name === "macro_f1" ? " over the labels" : ` of ${model.positive}`;
  });
  return model.metrics_rows ? `${figures}; ${counted(model.metrics_rows, "row")}` : figures;
}

/** Metrics in words, each with what `about(name)` says it is about. */
function figuresOf(metrics, about = () => "") {
  return Object.entries(metrics)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${METRICS[name] ?? name}${about(name)} ${value.toFixed(2)}`)
    .join(", ");
}

function behaviour(model) {
  const { suite, suite_result: found } = model;
  if (!found) return null;
  const classes = Object.entries(found.by_label).map(([label, share]) => `${called(label)} ${percent(share.value)}`);
  const range = `${percent(found.accuracy.low)} to ${percent(found.accuracy.high)}`;
  const cases = suite ? ` of the ${counted(suite.cases, "case")} of the suite ${suite.name}` : "";
  return `${percent(found.accuracy.value)} right (${range})${cases}; ${classes.join(", ")}`;
}

function weakest(model) {
  const found = [...(model.suite_result?.functionalities ?? [])];
  if (!found.length) return null;
  found.sort((a, b) => a.accuracy.value - b.accuracy.value);
  const items = found
    .slice(0, WEAKEST)
    .map(({ name, label, cases, accuracy }) =>
      element("li", {}, `${name} (${label}): ${percent(accuracy.value)} of ${counted(cases, "case")}`),
    );
  return element("ul", {}, ...items);
}

const percent = (share) => `${Math.round(share * 100)}\u00a0%`;

function made(model) {
  const time = new Date(model.made_at);
  if (Number.isNaN(time.valueOf())) return null;
  return time.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
}

function checksum(model) {
  return element("code", { class: "checksum" }, model.checksum);
}
