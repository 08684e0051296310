// One comment: the models' answers as one types.

import { classify, Problem } from "./api.js";
import { makeCard } from "./card.js";
import { find } from "./dom.js";
import { pause } from "./waiting.js";
import { agreement, capital, verdictOf, whyNot } from "./wording.js";

const KEPT =
  "The answer comes as you type. What you write is not kept, unless you say that an answer is right or wrong: then the " +
  "server keeps the comment and what you said.";
// Milliseconds after the last key.
const CLASSIFY_AFTER = 150;
const EXPLAIN_AFTER = 400;
const ANNOUNCE_AFTER = 1200; // so late that a screen reader hears of the settled answer alone

/**
 * Answers to the comment. `noticeReplaced` is told of each result, and which model it was asked of; with `feedback`
 * the server keeps what people say of them.
 */
export function startOne(models, limits, noticeReplaced, { feedback }) {
  const field = find("comment");
  const cards = models.map((model) => makeCard(model, limits, { open: models.length === 1, feedback }));
  if (feedback) find("comment-note").textContent = KEPT;
  find("cards").replaceChildren(...cards.map((card) => card.element));
  find("cards").dataset.models = models.length;
  let asking = new AbortController();

  const changed = () => {
    asking.abort();
    asking = new AbortController();
    const text = field.value;
    const complaint = whyNot(text, limits);
    showComplaint(field, complaint);
    find("announcement").textContent = "";
    find("clear").disabled = text === "";
    if (complaint || !text.trim()) {
      find("summary").textContent = "";
      cards.forEach((card) => (complaint ? card.clear("Not asked", complaint) : card.clear()));
      return;
    }
    find("summary").dataset.state = "waiting";
    cards.forEach((card) => card.wait());
    const asked = models.map((model, number) => ({ model, card: cards[number], text, noticeReplaced }));
    answer(asked, asking.signal);
  };
  const put = (text) => {
    field.value = text;
    changed();
  };

  field.addEventListener("input", changed);
  find("clear").addEventListener("click", () => {
    put("");
    field.focus();
  });
  for (const example of document.querySelectorAll(".examples button")) {
    example.addEventListener("click", () => put(example.dataset.text));
  }
  changed(); // a browser that goes back in its history fills the field in again
}

async function answer(asked, signal) {
  const began = performance.now();
  const until = (after) => pause(began + after - performance.now(), signal);
  const answered = asked.map((one) =>
    unlessGivenUp(one, signal, async () => {
      await until(CLASSIFY_AFTER);
      const [result] = await classify(one.model, () => [one.text], { signal });
      one.noticeReplaced(one.model, result);
      one.card.show(one.text, result);
      return result;
    }),
  );
  asked.forEach((one, number) =>
    unlessGivenUp(one, signal, async () => {
      await until(EXPLAIN_AFTER);
      if (!(await answered[number])) return;
      const [result] = await classify(one.model, () => [one.text], { explain: true, signal });
      one.card.explain(one.text, result);
    }),
  );
  const results = await Promise.all(answered);
  if (results.includes(null)) return;
  const models = asked.map(({ model }) => model);
  find("summary").textContent = models.length > 1 ? agreement(models, results) : "";
  delete find("summary").dataset.state;
  await until(ANNOUNCE_AFTER).then(
    () => {
      find("announcement").textContent = spoken(models, results);
    },
    () => {}, // the comment has changed
  );
}

/** What the work gives; null where the comment has changed since, or the server refused, as the card then says. */
async function unlessGivenUp({ card }, signal, work) {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) return null;
    if (!(error instanceof Problem)) throw error;
    card.clear("No answer", `${capital(error.message)}.`);
    return null;
  }
}

function showComplaint(field, complaint) {
  field.setAttribute("aria-invalid", String(complaint !== null));
  find("comment-problem").textContent = complaint ?? "";
}

function spoken(models, results) {
  const verdicts = results.map((result, number) => verdictOf(models[number], result));
  if (models.length === 1) return `${verdicts[0].word}. ${verdicts[0].sentence}`;
  const each = verdicts.map(({ word, sentence }, number) => `${models[number].name}: ${word}. ${sentence}`);
  return `${agreement(models, results)} ${each.join(" ")}`;
}
