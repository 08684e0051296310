// The API key, where the server wants one: asked for once, kept by this browser tab alone.

import { find } from "./dom.js";

const KEY = "foreshot-api-key";
let pending = null;

export const storedKey = () => sessionStorage.getItem(KEY);

/** Asks for a key; resolves when one was given. `problem` is what the server said of the last, null for the first. */
export function askForKey(problem) {
  pending ??= new Promise((resolve) => {
    const form = find("key-form");
    find("key-problem").textContent = problem ? `${problem[0].toUpperCase()}${problem.slice(1)}.` : "";
    form.hidden = false;
    find("key").focus();
    form.addEventListener(
      "submit",
      (event) => {
        event.preventDefault();
        sessionStorage.setItem(KEY, find("key").value.trim());
        form.reset();
        form.hidden = true;
        pending = null;
        resolve();
      },
      { once: true },
    );
  });
  return pending;
}
