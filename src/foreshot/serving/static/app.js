// The page's start: which models answer, then its two parts.

import { askForModels, Problem } from "./api.js";
import { find } from "./dom.js";
import { startMany } from "./many.js";
import { openNotice } from "./notices.js";
import { startOne } from "./one.js";
import { startTabs } from "./tabs.js";
import { capital, counted, listed } from "./wording.js";

let replaced = false;

/** Says so, once, when a model answers that this page doesn't describe. */
function noticeReplaced(model, result) {
  if (replaced || result.checksum === model.checksum) return;
  replaced = true;
  openNotice(`${model.name} was replaced on the server (now ${result.checksum}); load this page again.`);
}

async function start() {
  const { models, limits, feedback } = await askForModels();
  find("served").textContent = `${counted(models.length, "model")}: ${listed(models.map((model) => model.name))}`;
  startOne(models, limits, noticeReplaced, { feedback });
  startMany(models, limits, noticeReplaced);
  startTabs();
  find("parts").hidden = false;
}

start().catch((error) => {
  if (!(error instanceof Problem)) throw error;
  openNotice(`${capital(error.message)}. Load this page again.`);
});
