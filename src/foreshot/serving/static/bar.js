// A score against its thresholds, as a bar; a bar each for the labels of a multi-label model; or for the likeliest
// classes.

import { element } from "./dom.js";
import { called, cutsOf, DECISIONS, digitsFor } from "./wording.js";

const MOST_SHOWN = 6; // classes or labels

/** The bar of a model; `result` is null as long as there is none. */
export function makeBar(model, result) {
  if (!model.by_label) return model.bands.length ? bandBar(model, result) : scoreBars(model, result);
  const title = element("h4", {}, "Each label by itself");
  return element("div", { class: "several" }, bandBar(model, result), title, scoreBars(model, result));
}

function bandBar(model, result) {
  const score = result?.scores[model.positive];
  const cuts = cutsOf(model);
  const digits = result ? digitsFor(score, cuts) : 2;
  const track = element("div", { class: "track" });
  for (const band of model.bands) {
    const part = element("span", { class: "band", "data-kind": band.decision });
    part.style.left = `${band.low * 100}%`;
    part.style.width = `${(band.high - band.low) * 100}%`;
    track.append(part);
  }
  const fill = element("span", { class: "fill" });
  fill.style.width = `${(score ?? 0) * 100}%`;
  track.append(fill);
  track.append(...ticks(cuts));
  const names = model.bands.map((band, number) => {
    const range = [
      number ? `from ${band.low.toFixed(digits)}` : null,
      !number && model.bands.length > 1 ? `below ${band.high.toFixed(digits)}` : null,
    ];
    const here = result?.decision === band.decision;
    return element(
      "li",
      { "data-kind": band.decision, class: here ? "here" : null },
      element("b", {}, DECISIONS[band.decision]),
      ` ${range.filter(Boolean).join(", ")}`,
    );
  });
  return element("div", { class: "bar" }, track, element("ul", { class: "bands" }, ...names));
}

function ticks(cuts) {
  return cuts.map((cut) => {
    const tick = element("span", { class: "cut" });
    tick.style.left = `${cut * 100}%`;
    return tick;
  });
}

function scoreBars(model, result) {
  const has = (label) => Boolean(result?.labels.includes(label));
  const scores = Object.entries(result?.scores ?? Object.fromEntries(model.labels.map((label) => [label, 0])));
  scores.sort(([one, a], [other, b]) => has(other) - has(one) || b - a);
  const rows = scores.slice(0, MOST_SHOWN).map(([label, score]) => {
    const fill = element("span", { class: "fill" });
    fill.style.width = `${score * 100}%`;
    return element(
      "li",
      { class: has(label) ? "here" : null },
      element("span", { class: "class" }, called(label)),
      element("span", { class: "track", "aria-hidden": "true" }, fill, ...ticks(cutsOf(model.by_label?.[label]))),
      element("span", { class: "n" }, result ? score.toFixed(2) : "–"),
    );
  });
  const others = scores.length - MOST_SHOWN;
  const more = others > 0 ? element("p", { class: "note" }, `and ${others} less likely ones`) : null;
  return element("div", { class: "bar" }, element("ul", { class: "classes" }, ...rows), more);
}
