/** The three nodes that sample, in the page: live curve, widgets that matter, the switch. */

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { Curve } from "./curve_widget.js";
import { OFF, idleWidgets, switched } from "./mitigation.js";

const NODES = new Set(["BasinEscapeModelPatch", "BasinEscapeGuider", "BasinEscapeKSampler"]);
const KEPT = "transition before it was switched off";

/** What each node in the page shows; it goes with its node. */
const curves = new WeakMap();

const widget = (node, name) => node.widgets?.find((widget) => widget.name === name);

/** Every node of this pack that samples, those in subgraphs too. */
function* ours(graph) {
  for (const node of graph.nodes ?? graph._nodes) {
    if (NODES.has(node.comfyClass)) yield node;
    if (node.subgraph) yield* ours(node.subgraph);
  }
}

const rootGraph = () => app.rootGraph ?? app.graph;

/** The node of an execution id: "7", or "3:7" for node 7 in the subgraph of node 3. */
function findNode(id) {
  let graph = rootGraph();
  let node = null;
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(Number(part));
    graph = node?.subgraph;
  }
  return node;
}

/** Show the widgets that have an effect, and those that something is connected to. */
function arrange(node) {
  const idle = idleWidgets(widget(node, "transition").value, widget(node, "before_transition").value);
  for (const name of ["static_percent", "latest_percent", "opposite_scale"]) {
    const connected = node.inputs?.some((input) => input.widget?.name === name && input.link != null);
    const hidden = idle.includes(name) && !connected;
    const shown = widget(node, name);
    shown.hidden = hidden;
    shown.options.hidden = hidden;
  }
  curves.get(node)?.mark(widget(node, "transition").value !== OFF);
  grow(node);
  node.graph?.setDirtyCanvas(true, true);
}

/** A workflow that was saved with fewer widgets in sight, or without the curve, has no room for them. */
function grow(node) {
  const least = node.computeSize()[1];
  if (node.size[1] < least) node.setSize([node.size[0], least]);
}

/** Call `arrange` whenever one of the two choices changes. */
function watch(node) {
  for (const name of ["transition", "before_transition"]) {
    const choice = widget(node, name);
    const callback = choice.callback;
    choice.callback = function () {
      const result = callback?.apply(this, arguments);
      arrange(node);
      return result;
    };
  }
}

function setTransition(node, transition) {
  const choice = widget(node, "transition");
  choice.value = transition;
  choice.callback?.(transition);
}

/** The selected nodes of the pack, or else all. */
function chosen() {
  const selected = Object.values(app.canvas.selected_nodes ?? {}).filter((node) => NODES.has(node.comfyClass));
  return selected.length ? selected : [...ours(rootGraph())];
}

function toggle() {
  const nodes = chosen();
  const now = nodes.map((node) => ({ transition: widget(node, "transition").value, before: node.properties[KEPT] }));
  switched(now).forEach(({ transition, before }, k) => {
    if (before) nodes[k].properties[KEPT] = before;
    setTransition(nodes[k], transition);
  });
}

/** Queue the prompt with mitigation off and then as it is, with the same seeds, and leave the graph as it was. */
async function queueBoth() {
  const nodes = [...ours(rootGraph())];
  const seeds = allWidgets(rootGraph()).filter(({ name }) => name === "control_after_generate");
  const kept = [...nodes.map((node) => widget(node, "transition")), ...seeds].map((widget) => [widget, widget.value]);
  try {
    for (const control of seeds) control.value = "fixed";
    for (const node of nodes) widget(node, "transition").value = OFF;
    await app.queuePrompt(0, 1);
    for (const [widget, value] of kept.slice(0, nodes.length)) widget.value = value;
    await app.queuePrompt(0, 1);
  } finally {
    for (const [widget, value] of kept) widget.value = value;
  }
}

function allWidgets(graph) {
  return (graph.nodes ?? graph._nodes).flatMap((node) => [
    ...(node.widgets ?? []),
    ...(node.subgraph ? allWidgets(node.subgraph) : []),
  ]);
}

app.registerExtension({
  name: "BasinEscape",
  commands: [
    { id: "BasinEscape.ToggleMitigation", label: "Basin Escape: toggle mitigation", function: toggle },
    { id: "BasinEscape.QueueBoth", label: "Basin Escape: queue with and without", function: queueBoth },
  ],
  keybindings: [{ commandId: "BasinEscape.ToggleMitigation", combo: { key: "e", alt: true, shift: true } }],
  menuCommands: [{ path: ["Extensions"], commands: ["BasinEscape.ToggleMitigation", "BasinEscape.QueueBoth"] }],
  setup() {
    api.addEventListener("basin_escape.curve", ({ detail }) => curves.get(findNode(detail.node))?.receive(detail));
  },
  nodeCreated(node) {
    if (!NODES.has(node.comfyClass)) return;
    curves.set(node, new Curve(node));
    watch(node);
    arrange(node);
  },
  loadedGraphNode(node) {
    if (curves.has(node)) arrange(node);
  },
});
