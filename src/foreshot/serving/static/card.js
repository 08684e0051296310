// A model's card: what it says of the comment, why, and which model it is.

import { makeBar } from "./bar.js";
import { element, icon } from "./dom.js";
import { factsOf, warningOf } from "./facts.js";
import { makeFeedback } from "./feedback.js";
import { drivers, markedText } from "./influence.js";
import { count, verdictOf } from "./wording.js";

/**
 * A card, as an element and what can be done with it. The answer to an older text stays, dimmed, until the one to the
 * newer text is there; it never stands there as if it were the answer to that.
 */
export function makeCard(model, limits, { open, feedback }) {
  const verdict = element("p", { class: "verdict" });
  const bar = element("div");
  const text = element("p", { class: "marked" });
  const words = element("div", { class: "words" });
  const note = element("p", { class: "note" });
  const said = feedback ? makeFeedback(model) : null;
  const id = `model-${model.name}`;
  const answer = element(
    "div",
    { class: "answer" },
    verdict,
    bar,
    element("div", { class: "why" }, element("h4", {}, "The words that drove it"), text, note, words),
    said?.element ?? null,
  );
  const card = element(
    "article",
    { class: "card", "aria-labelledby": id },
    element("h3", { id }, model.name),
    answer,
    warningOf(model),
    factsOf(model, { open }),
  );

  const say = (kind, word, sentence) => {
    card.dataset.kind = kind;
    verdict.replaceChildren(
      ...(kind === "none" ? [] : [icon(kind)]),
      element("strong", {}, word),
      " ",
      element("span", {}, sentence),
    );
  };
  const settle = (state) => {
    card.dataset.state = state;
    answer.setAttribute("aria-busy", String(state === "waiting"));
    text.removeAttribute("tabindex");
    if (text.scrollHeight > text.clientHeight) text.tabIndex = 0; // so that the keyboard can scroll it
  };

  const clear = (word = "No comment yet", sentence = "") => {
    say("none", word, sentence);
    bar.replaceChildren(makeBar(model, null));
    text.replaceChildren();
    words.replaceChildren(element("p", { class: "note" }, "They are marked here once there is an answer."));
    note.textContent = "";
    said?.clear();
    settle("empty");
  };
  const wait = () => {
    said?.wait();
    settle(card.dataset.state === "empty" ? "empty" : "waiting");
  };
  const show = (comment, result) => {
    const { kind, word, sentence } = verdictOf(model, result);
    say(kind, word, sentence);
    bar.replaceChildren(makeBar(model, result));
    text.replaceChildren(comment);
    words.replaceChildren(element("p", { class: "note" }, "Leaving out each word in turn …"));
    note.textContent = result.truncated ? `Only the first ${count(model.max_length)} tokens were read.` : "";
    said?.show(comment, result);
    settle("answered");
  };
  const explain = (comment, result) => {
    text.replaceChildren(...markedText(comment, result.words));
    words.replaceChildren(...drivers(model, result, limits));
    settle("explained");
  };

  clear();
  return { element: card, clear, wait, show, explain };
}
