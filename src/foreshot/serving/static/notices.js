// Notices at the top of the page: what keeps answers from coming. The newest that is open is shown.

import { element, find, icon } from "./dom.js";

const open = [];

/** Shows a message until it is closed; `say` adds what changes from second to second, which isn't read aloud. */
export function openNotice(message) {
  const aside = element("span", { "aria-hidden": "true" });
  const notice = element("p", { class: "notice" }, icon("warning"), element("span", {}, message, " ", aside));
  open.push(notice);
  showNewest();
  return {
    message,
    say: (text) => {
      aside.textContent = text;
    },
    close: () => {
      const place = open.indexOf(notice);
      if (place >= 0) open.splice(place, 1);
      showNewest();
    },
  };
}

function showNewest() {
  const newest = open.at(-1);
  if (newest) find("notices").replaceChildren(newest);
  else find("notices").replaceChildren();
}
