// Announcements for screen readers. What changes while the user works is announced once, after the last change.

import { part } from "./dom.js";

const QUIET = 600; // ms without a change, after which the last one is announced
let announcing = null;

/** Announce what a function returns, unless something else is to be announced before the user pauses. */
export function announce(say) {
  clearTimeout(announcing);
  announcing = setTimeout(() => (part("announcement").textContent = say()), QUIET);
}
