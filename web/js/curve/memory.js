/** The curves of all workflows that are open, whichever is in sight, and after a reload. Nothing here touches the page. */

import { EMPTY, interrupt, receive } from "./state.js";

const KEY = "BasinEscape.curves";
const STATES_KEPT = 24;
const PROMPTS_KEPT = 64;

/** Leave the newest entries of a map. */
function shorten(map, length) {
  for (const key of [...map.keys()].slice(0, Math.max(map.size - length, 0))) map.delete(key);
}

export class Memory {
  /** storage: the page's sessionStorage. */
  constructor(storage) {
    this.storage = storage;
    const saved = JSON.parse(storage.getItem(KEY) ?? "null");
    this.states = new Map(saved?.states); // by workflow and node
    this.prompts = new Map(saved?.prompts); // { workflow, label } by the mark that a prompt carries
    this.newest = undefined; // the workflow that was queued last
  }

  key(workflow, node) {
    return JSON.stringify([workflow, node]);
  }

  state(workflow, node) {
    return this.states.get(this.key(workflow, node)) ?? EMPTY;
  }

  /** A prompt with this mark is about to be queued from a workflow. */
  queued(mark, workflow, label) {
    this.newest = workflow;
    this.prompts.set(mark, { workflow, label });
    shorten(this.prompts, PROMPTS_KEPT);
    this.save();
  }

  /** A workflow has another name now. */
  moved(from, to) {
    for (const [key, state] of [...this.states]) {
      const [workflow, node] = JSON.parse(key);
      if (workflow === from) {
        this.states.delete(key);
        this.states.set(this.key(to, node), state);
      }
    }
    for (const prompt of this.prompts.values()) if (prompt.workflow === from) prompt.workflow = to;
    this.save();
  }

  /**
   * Take in a message of the server: it belongs to the workflow that its prompt came from. find: tells of a workflow's id
   * which workflow that is, or undefined; for prompts that carry no mark of this page.
   */
  receive(message, find = () => undefined) {
    const { workflow, label } = this.prompts.get(message.mark) ?? { workflow: find(message.workflow) };
    if (!workflow) return;
    this.put(this.key(workflow, message.node), (state) => receive(state, message, label));
    if (message.ended) this.save();
  }

  /** A prompt was interrupted, or ended in an error. */
  interrupted(prompt) {
    for (const key of this.states.keys()) this.states.set(key, interrupt(this.states.get(key), prompt));
    this.save();
  }

  put(key, change) {
    const [before, state] = [this.states.get(key), change(this.states.get(key) ?? EMPTY)];
    if (state === before || state === EMPTY) return;
    this.states.delete(key); // to be the newest
    this.states.set(key, { ...state, at: Date.now() });
    shorten(this.states, STATES_KEPT);
  }

  /** Where there is no room, a reload loses the curves. */
  save() {
    try {
      this.storage.setItem(KEY, JSON.stringify({ states: [...this.states], prompts: [...this.prompts] }));
    } catch {
      this.storage.removeItem(KEY);
    }
  }
}
