// Many texts, a request's worth at a time: within the server's limits, and in pieces small enough to see progress.

import { classify } from "./api.js";

const FIRST_PIECE = 32; // texts
const PIECE_TIME = 1000; // milliseconds that a request should take
const ENVELOPE = 1000; // bytes of a body that are not texts

/**
 * Scores texts by a model; `onResults(places, results)` is told of each piece, by places in `texts`. Resolves when all
 * are scored; rejects with a Problem, or the signal's reason.
 */
export async function scoreAll(model, texts, limits, { signal, onResults }) {
  let piece = Math.min(FIRST_PIECE, limits.texts);
  for (let at = 0; at < texts.length; ) {
    const began = performance.now();
    let sent = [];
    // The server gives up what takes too long, so each further try sends half as many.
    const textsOf = (tries) => (sent = fitting(texts, at, Math.max(1, Math.floor(piece / 2 ** tries)), limits));
    const results = await classify(model, textsOf, { signal });
    onResults(
      sent.map((_, offset) => at + offset),
      results,
    );
    at += sent.length;
    const took = performance.now() - began;
    const grown = Math.round(sent.length * Math.min(2, PIECE_TIME / took));
    piece = Math.min(Math.max(1, grown), limits.texts);
  }
}

/** At most `most` texts from a place on, and no more than fit into a body; one at least. */
function fitting(texts, at, most, limits) {
  let bytes = ENVELOPE;
  let end = at;
  while (end < Math.min(at + most, texts.length)) {
    bytes += bytesOf(texts[end]) + 1;
    if (bytes > limits.body_bytes && end > at) break;
    end += 1;
  }
  return texts.slice(at, end);
}

const encoder = new TextEncoder();
const bytesOf = (text) => encoder.encode(JSON.stringify(text)).length;
