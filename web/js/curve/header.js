/** The lines above a curve: what happened, in words, and the switch of the node. */

import { say, sayAll, sayLabel } from "../words.js";
import { sentences } from "./state.js";

const COLOURS = { on: "#d9822b", off: "#777", unknown: "#777" };
const WARNING = "#e0b040";
const WARNINGS = ["note", "warning", "no effect", "interrupted"];
const STYLE = "display: flex; gap: 6px; align-items: flex-start; min-height: 18px; padding: 1px 4px";
const WORDS =
  "flex: 1; min-width: 0; max-height: 30px; overflow: hidden; font: 11px/15px sans-serif; text-align: left;" +
  "display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; color: var(--input-text, #ddd)";
const BADGE =
  "flex: none; font: bold 10px/14px sans-serif; padding: 1px 6px; border: 0; border-radius: 3px; color: #fff;" +
  "cursor: pointer; min-width: 34px";

export class Header {
  /** toggle: what the badge does. */
  constructor(toggle) {
    this.words = document.createElement("div");
    this.words.style.cssText = WORDS;
    this.badge = document.createElement("button");
    this.badge.type = "button";
    this.badge.className = "basin-escape-badge";
    this.element = document.createElement("div");
    this.element.style.cssText = STYLE;
    this.element.append(this.words, this.badge);
    this.listening = new AbortController();
    const options = { signal: this.listening.signal };
    this.badge.addEventListener("click", toggle, options);
    // The canvas and the node do not take what is meant for the badge.
    for (const event of ["pointerdown", "mousedown", "dblclick", "keydown"]) {
      this.badge.addEventListener(event, (event) => event.stopPropagation(), options);
    }
  }

  leave() {
    this.listening.abort();
  }

  /** situation: { mitigation: "on" | "off" | "unknown", absence, feeder, note }. Returns the words in full. */
  show(run, situation) {
    this.showBadge(situation);
    const parts = situation.absence ? [{ kind: "absent", text: situation.absence }] : [];
    if (!parts.length && situation.note) parts.push({ kind: "note", text: situation.note });
    if (!parts.length && run) parts.push(...sentences(run));
    if (run?.label && !situation.absence) parts.unshift({ kind: "label", text: sayLabel(run.label) });
    this.words.replaceChildren(...parts.flatMap(show));
    this.words.title = this.words.textContent;
    return this.words.textContent;
  }

  showBadge({ mitigation, feeder }) {
    const on = mitigation === "on";
    this.badge.dataset.state = mitigation;
    this.badge.textContent = { on: "ON", off: "OFF", unknown: "?" }[mitigation];
    this.badge.style.cssText = `${BADGE}; background: ${COLOURS[mitigation]}`;
    this.badge.setAttribute("aria-pressed", mitigation === "unknown" ? "mixed" : String(on));
    this.badge.title = {
      on: say("mitigation is on: click to switch it off"),
      off: say("mitigation is off: click to switch it on"),
      unknown: `${say("transition comes from another node: change it there")}: ${feeder}`,
    }[mitigation];
    this.badge.setAttribute("aria-label", this.badge.title);
  }
}

/** The words as they are, everything else set off. */
function show({ kind, text }, k, parts) {
  const span = document.createElement("span");
  span.dataset.kind = kind;
  span.textContent = sayAll(text);
  if (kind !== "words") span.style.fontWeight = "bold";
  if (WARNINGS.includes(kind)) span.style.color = WARNING;
  const before = parts[k - 1];
  const between = before?.kind === "label" ? ": " : before?.text.endsWith(".") ? " " : "; ";
  return k ? [document.createTextNode(between), span] : [span];
}
