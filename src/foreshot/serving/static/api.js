// Requests to the server that this page came from, and patience: with one that is busy, gone, or wants a key.

import { askForKey, storedKey } from "./key.js";
import { openNotice } from "./notices.js";
import { pause, unlessAborted } from "./waiting.js";

const LONGEST_WAIT = 10; // seconds

/** An answer that is an error: status 0 where there was no answer at all; `retryAfter` in seconds. */
export class Problem extends Error {
  constructor(status, detail, { retryAfter = 1, key = null } = {}) {
    super(detail);
    Object.assign(this, { status, retryAfter, key });
  }
}

/** The models that answer and what a request may hold. */
export const askForModels = (signal) => patiently(() => request("/v1/models", { signal }), signal);

/** Results of texts, by a model. `textsOf` gives the texts of a try, by its number, from 0. */
export function classify(model, textsOf, { explain = false, signal }) {
  return patiently(async (tries) => {
    const body = { texts: textsOf(tries).map((text) => text.toWellFormed()), model: model.name, explain };
    return (await request("/v1/classify", { body, signal })).results;
  }, signal);
}

/** Has the server keep what is right for a text. */
export function correct(model, correction) {
  const corrections = [{ ...correction, text: correction.text.toWellFormed() }];
  return patiently(() => request("/v1/feedback", { body: { corrections, model: model.name } }));
}

async function request(path, { body, signal }) {
  const key = storedKey();
  const headers = { ...(key && { "X-API-Key": key }), ...(body && { "Content-Type": "application/json" }) };
  const method = body ? "POST" : "GET";
  try {
    const response = await fetch(path, { method, headers, signal, body: body && JSON.stringify(body) });
    if (response.ok) return await response.json();
    throw await problemOf(response, key);
  } catch (error) {
    if (signal?.aborted || error instanceof Problem) throw error;
    throw new Problem(0, "The server doesn't answer.");
  }
}

async function problemOf(response, key) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 1;
  const said = await response.json().catch(() => ({}));
  const detail = said.detail ?? `The server answers with ${response.status} ${response.statusText}.`;
  return new Problem(response.status, detail, { retryAfter, key });
}

async function patiently(attempt, signal) {
  let notice = null;
  try {
    for (let tries = 0; ; tries += 1) {
      try {
        return await attempt(tries);
      } catch (error) {
        if (!(error instanceof Problem) || ![0, 401, 503].includes(error.status)) throw error;
        if (error.status === 401) {
          if (error.key === storedKey()) await unlessAborted(askForKey(error.key && error.message), signal);
          continue;
        }
        const busy = error.status === 503;
        const message = busy ? `The server is busy: ${error.message}.` : error.message;
        if (notice?.message !== message) {
          notice?.close();
          notice = openNotice(message);
        }
        await countDown(notice, busy ? error.retryAfter : Math.min(2 ** tries, LONGEST_WAIT), signal);
      }
    }
  } finally {
    notice?.close();
  }
}

async function countDown(notice, seconds, signal) {
  for (let left = Math.ceil(seconds); left > 0; left -= 1) {
    notice.say(`Asking again in ${left} s`);
    await pause(1000, signal);
  }
  notice.say("Asking again …");
}
