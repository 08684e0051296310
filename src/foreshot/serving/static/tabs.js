// Tabs, by the ARIA pattern: arrows move and choose, Home and End go to the ends.

import { find } from "./dom.js";

const tabs = () => [...document.querySelectorAll("[role=tab]")];

/** Shows a tab's panel and hides the others. */
export function choose(tab) {
  for (const other of tabs()) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
    find(other.getAttribute("aria-controls")).hidden = other !== tab;
  }
}

export function startTabs() {
  for (const tab of tabs()) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const all = tabs();
      const here = all.indexOf(tab);
      const places = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: all.length - 1 };
      if (!(event.key in places)) return;
      event.preventDefault();
      const chosen = all.at(places[event.key] % all.length);
      choose(chosen);
      chosen.focus();
    });
  }
}
