/** Our nodes in the page: the widgets that matter, what is typed into them, and their curves. */

import { see, title, toggle } from "./commands.js";
import { idleWidgets, understand } from "./definitions.js";
import { EMPTY } from "./curve/state.js";
import { Curve } from "./curve/widget.js";
import { absence, source, widget } from "./graph.js";
import { app, definitions, ourNodes, switches, workflowName } from "./page.js";
import { say } from "./words.js";

export const LIVE_CURVE = "BasinEscape.LiveCurve";
export const CURVE_HEIGHT = "BasinEscape.CurveHeight";
/** More than anybody types: the page lets a number through, so that what it means can be said. */
const UNBOUNDED = 1e6;

/** What belongs to a node goes with it. */
const curves = new WeakMap();
const notes = new WeakMap();
const heights = new WeakMap(); // { before, after } the widgets asked for room

function curveSettings() {
  const { setting } = app.extensionManager;
  return { shown: setting.get(LIVE_CURVE), height: setting.get(CURVE_HEIGHT) };
}

/** Give every curve what the user has changed: the host calls this before it stores the change. */
export function fitCurves(changed) {
  if (!app.canvas) return; // the application is starting
  const settings = { ...curveSettings(), ...changed };
  for (const { node } of switches()) {
    curves.get(node)?.fit(settings);
    node.setSize([node.size[0], Math.max(settings.shown ? node.size[1] : 0, node.computeSize()[1])]);
  }
  app.canvas.setDirty(true, true);
}

/** Take up a new node. sync: is called whenever it changes; queueing: { beforeQueued, afterQueued }, of the node. */
export function adopt(node, sync, queueing) {
  const definition = definitions.get(node.comfyClass);
  if (!definition) return;
  for (const changing of node.widgets ?? []) {
    const range = definition.ranges[changing.name];
    if (range) Object.assign(changing.options, { min: -UNBOUNDED, max: UNBOUNDED });
    after(changing, "callback", () => {
      notes.set(node, range && correct(changing, range));
      sync();
    });
  }
  after(node, "onConfigure", sync); // loaded, pasted, cloned
  if (definition.off !== undefined) {
    const mine = () => switches().filter((entry) => entry.node === node).slice(0, 1);
    const curve = new Curve(node, curveSettings(), () => toggle(mine()));
    curve.widget.beforeQueued = () => queueing.beforeQueued(node);
    curve.widget.afterQueued = () => queueing.afterQueued(node);
    curves.set(node, curve);
  }
  arrange({ node, definition, owners: [] });
  fitHeight(node);
}

function after(owner, name, then) {
  const before = owner[name];
  owner[name] = function () {
    const result = before?.apply(this, arguments);
    then();
    return result;
  };
}

/** Make a number of what was typed. Returns what is to be said about it. */
function correct(number, range) {
  const { value, text } = understand(number.value, range);
  if (value !== number.value) number.value = value;
  return text;
}

/**
 * Give a node the height that its widgets need: a workflow that was saved with fewer of them in sight, or without the
 * curve, has no room for them. What it grew by it gives back.
 */
function fitHeight(node) {
  const least = node.computeSize()[1];
  const { before, after } = heights.get(node) ?? {};
  const wished = Math.abs(node.size[1] - after) < 2 ? before : node.size[1];
  const height = Math.max(least, wished);
  heights.set(node, { before: wished, after: height });
  if (height !== node.size[1]) node.setSize([node.size[0], height]);
}

/** Bring all our nodes in sight up to date with their runs and with what they would be queued with. */
export function update(memory) {
  const workflow = workflowName();
  const newest = new Map(); // by node: a subgraph that is used twice has two runs for its nodes
  for (const entry of ourNodes()) {
    const state = memory.state(workflow, entry.id);
    const other = newest.get(entry.node);
    if (!other || (state.at ?? 0) > (other.state.at ?? 0)) newest.set(entry.node, { ...entry, state });
  }
  for (const entry of newest.values()) {
    arrange(entry);
    curves.get(entry.node)?.show(entry.state, situation(entry));
  }
}

/** Show the widgets that have an effect with the values that will be queued, and those that something is connected to. */
function arrange({ node, definition, owners }) {
  const names = new Set(Object.values(definition.shownWhen).flatMap(Object.keys));
  const values = Object.fromEntries([...names].map((name) => [name, source({ node, owners }, name).widget?.value]));
  const idle = idleWidgets(definition.shownWhen, values);
  let changed = false;
  for (const name of Object.keys(definition.shownWhen)) {
    const connected = node.inputs?.some((input) => input.widget?.name === name && input.link != null);
    const shown = widget(node, name);
    const hidden = idle.includes(name) && !connected;
    if (!shown || Boolean(shown.hidden) === hidden) continue;
    shown.hidden = shown.options.hidden = hidden;
    changed = true;
  }
  if (!changed) return;
  fitHeight(node);
  node.graph?.setDirtyCanvas(true, true);
}

function situation(entry) {
  const from = source(entry, "transition");
  const value = from.widget?.value;
  see(entry.node, value, entry.definition.off);
  const mitigation = value === undefined ? "unknown" : value === entry.definition.off ? "off" : "on";
  const absent = absence(entry);
  const explained = {
    muted: say("muted: nothing of this node runs"),
    bypassed: say("bypassed: as if this node were not there"),
  }[absent];
  return { mitigation, absence: explained, feeder: title(from.node), note: notes.get(entry.node) };
}

/** Where a prompt has ended and nothing was ever drawn: the server remembered the result of an earlier page. */
export function noteCached(memory) {
  if (memory.newest !== workflowName()) return;
  for (const entry of switches()) {
    const empty = memory.state(memory.newest, entry.id) === EMPTY && !absence(entry);
    if (empty) notes.set(entry.node, say("nothing was sampled anew: change the seed to see the curve"));
  }
}

/** Forget what was said of typed values: a new run tells of itself. */
export function forgetNotes() {
  for (const { node } of ourNodes()) notes.delete(node);
}
