// Right or wrong: what a person says of an answer, which the server keeps with the comment. Only where it keeps any.

import { correct, Problem } from "./api.js";
import { element } from "./dom.js";
import { called, listed } from "./wording.js";

/** Two buttons below a model's answer, as an element and what can be done with it. */
export function makeFeedback(model) {
  const right = element("button", { type: "button" }, "Right");
  const wrong = element("button", { type: "button", "aria-expanded": asksWhich(model) ? "false" : null }, "Wrong");
  const which = element("div", { class: "which", hidden: true });
  const told = element("p", { class: "note", role: "status" });
  const buttons = element("div", { class: "judge" }, element("span", {}, "Is this answer right?"), right, wrong);
  const whole = element(
    "div",
    { class: "feedback", role: "group", "aria-label": `Your word on ${model.name}`, hidden: true },
    buttons,
    which,
    told,
  );
  let asked = null; // the comment and its answer

  const press = (pressed) => {
    for (const button of [right, wrong]) button.setAttribute("aria-pressed", String(button === pressed));
  };
  const open = (is) => {
    which.hidden = !is;
    if (asksWhich(model)) wrong.setAttribute("aria-expanded", String(is));
  };
  const enable = (is) => {
    for (const control of whole.querySelectorAll("button, input")) control.disabled = !is;
  };
  const keep = async (button, labels) => {
    const about = asked;
    press(button);
    told.textContent = "";
    try {
      await correct(model, correctionOf(model, about, labels));
      if (asked === about) told.textContent = `Kept, with the comment: ${named(labels)}.`;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (asked !== about) return;
      press(null);
      told.textContent = `Not kept: ${error.message}.`;
    }
  };
  right.addEventListener("click", () => {
    open(false);
    keep(right, labelsOf(model, asked.result));
  });
  wrong.addEventListener("click", () => {
    if (!asksWhich(model)) {
      keep(wrong, othersOf(model, asked.result));
      return;
    }
    open(which.hidden);
    which.querySelector("button, input")?.focus();
  });

  const clear = () => {
    asked = null;
    whole.hidden = true;
  };
  const wait = () => enable(false);
  const show = (comment, result) => {
    asked = { comment, result };
    press(null);
    told.textContent = "";
    which.replaceChildren(
      ...choices(model, result, (labels) => {
        open(false);
        wrong.focus();
        keep(wrong, labels);
      }),
    );
    open(false);
    enable(true);
    whole.hidden = false;
  };
  return { element: whole, clear, wait, show };
}

/** Whether "wrong" leaves it open what is right. */
const asksWhich = (model) => Boolean(model.by_label) || model.labels.length > 2;

/** What an answer says: all labels of a multi-label model, else the one. */
const labelsOf = (model, result) => (model.by_label ? result.labels : [result.label]);

const othersOf = (model, result) => model.labels.filter((label) => label !== result.label);

function correctionOf(model, { comment, result }, labels) {
  const said = model.by_label ? result.labels : result.label;
  return { text: comment, said, ...(model.by_label ? { labels } : { label: labels[0] }) };
}

/** What can be right instead: the other classes, or all labels, those of the answer marked. */
function choices(model, result, choose) {
  const title = element("p", {}, model.by_label ? "Which labels does it have?" : "What is right?");
  if (!asksWhich(model)) return [];
  if (!model.by_label) {
    const buttons = othersOf(model, result).map((label) => {
      const button = element("button", { type: "button" }, called(label));
      button.addEventListener("click", () => choose([label]));
      return button;
    });
    return [title, ...buttons];
  }
  const boxes = model.labels.map((label) =>
    element("input", { type: "checkbox", value: label, checked: result.labels.includes(label) }),
  );
  const done = element("button", { type: "button", class: "primary" }, "Keep these");
  done.addEventListener("click", () => choose(boxes.filter((box) => box.checked).map((box) => box.value)));
  return [title, ...boxes.map((box) => element("label", { class: "box" }, box, ` ${called(box.value)}`)), done];
}

const named = (labels) => (labels.length ? listed(labels) : "none of the labels");
