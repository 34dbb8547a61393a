/** What the commands, the badge and the menu do. */

import { source } from "./graph.js";
import { api, app, marked, serialize, switches, tell } from "./page.js";
import { KEPT, labelled, switched, valueInPrompt, without } from "./switch.js";
import { say } from "./words.js";

/** By node, the transition that it was last seen with while it was on: the widget may be set to off by hand. */
const seen = new WeakMap();

export function see(node, transition, off) {
  if (transition !== undefined && transition !== off) seen.set(node, transition);
}

/** The selected nodes of the pack, or else all. */
function chosen() {
  const selected = new Set(Object.values(app.canvas.selected_nodes ?? {}));
  const nodes = switches();
  const picked = nodes.filter(({ node }) => selected.has(node));
  return picked.length ? picked : nodes;
}

function setValue({ node, widget }, value) {
  widget.value = value;
  widget.callback?.(value, app.canvas, node);
}

/** Switch mitigation off on all of these nodes, or back on. */
export function toggle(nodes = chosen()) {
  const sources = nodes.map((entry) => source(entry, "transition"));
  const fixed = sources.findIndex(({ widget }) => !widget);
  if (fixed >= 0) tellFixed(sources[fixed].node);
  const free = nodes.map((entry, k) => ({ ...entry, from: sources[k] })).filter(({ from }) => from.widget);
  const now = free.map(({ node, definition, from }) => {
    return { transition: from.widget.value, before: seen.get(node) ?? node.properties[KEPT], ...definition };
  });
  switched(now).forEach(({ transition, before }, k) => {
    if (before) free[k].node.properties[KEPT] = before;
    setValue(free[k].from, transition);
  });
}

function tellFixed(node) {
  tell("warn", `${say("transition comes from another node: change it there")}: ${title(node)}`);
}

export const title = (node) => node?.getTitle?.() ?? node?.title ?? "";

/**
 * Queue the prompt as it is and, before it, with mitigation off: one prompt, so that seeds and everything else that is
 * decided while queueing are the same. The graph stays as it is. announce: gives the mark of a prompt with a label.
 */
export async function queueBoth(announce) {
  const prompt = await app.graphToPrompt();
  const nodes = switches().filter(({ id }) => prompt.output[id]);
  const on = nodes.filter(({ id, definition }) => valueInPrompt(prompt.output, id, "transition") !== definition.off);
  if (!on.length) {
    tell("warn", nodes.length ? say("all nodes are off: queued once") : say("no node takes part: queued once"));
    return app.queuePrompt(0, 1);
  }
  const off = on.map(({ id, definition }) => ({ id, off: definition.off }));
  const workflow = workflowWithout(on);
  if (!(await submit({ ...prompt, output: without(prompt.output, off), workflow }, "without", announce))) return;
  if (!(await submit(prompt, "with", announce))) return;
  tell("info", say("queued without and with mitigation: saved files end in _without and _with"));
}

/** Queue this prompt under a label. Returns whether the server took it. */
async function submit({ output, workflow }, label, announce) {
  const prompt = { output: labelled(output, label), workflow: marked(workflow, announce(label)) };
  const previewMethod = app.extensionManager.setting.get("Comfy.Execution.PreviewMethod");
  try {
    await api.queuePrompt(0, prompt, { previewMethod });
    return true;
  } catch (error) {
    tell("error", `${say("not queued")}: ${error.message}`);
    return false;
  }
}

/** The workflow that the pictures without mitigation are to carry. */
function workflowWithout(nodes) {
  const changed = nodes.map((entry) => [source(entry, "transition").widget, entry.definition.off]);
  const widgets = changed.filter(([widget]) => widget);
  const kept = widgets.map(([widget]) => widget.value);
  try {
    for (const [widget, off] of widgets) widget.value = off;
    return serialize();
  } finally {
    widgets.forEach(([widget], k) => (widget.value = kept[k]));
  }
}
