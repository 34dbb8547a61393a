/** The three nodes that sample, in the page: live curve, widgets that matter, the switch. */

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { Curve } from "./curve_widget.js";
import { DEPENDENT, OFF, idleWidgets, switched } from "./mitigation.js";

const NODES = new Set(["BasinEscapeModelPatch", "BasinEscapeGuider", "BasinEscapeKSampler"]);
const KEPT = "transition before it was switched off";

const LIVE_CURVE = "BasinEscape.LiveCurve";
const CURVE_HEIGHT = "BasinEscape.CurveHeight";

/** What each node in the page shows; it goes with its node. */
const curves = new WeakMap();

const widget = (node, name) => node.widgets?.find((widget) => widget.name === name);

const rootGraph = () => app.rootGraph ?? app.graph;

/** Every node of the workflow, those in subgraphs too. */
function allNodes(graph = rootGraph()) {
  return (graph.nodes ?? graph._nodes).flatMap((node) => [node, ...(node.subgraph ? allNodes(node.subgraph) : [])]);
}

const ours = (nodes) => nodes.filter((node) => NODES.has(node.comfyClass));

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
  for (const name of DEPENDENT) {
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

function curveSettings() {
  const setting = app.extensionManager.setting;
  return { shown: setting.get(LIVE_CURVE), height: setting.get(CURVE_HEIGHT) };
}

/** Give every curve what the user has changed: the host calls this before it stores the change. */
function fitCurves(changed) {
  if (!app.canvas) return; // the application is starting
  const settings = { ...curveSettings(), ...changed };
  for (const node of ours(allNodes())) {
    curves.get(node)?.fit(settings);
    node.setSize([node.size[0], Math.max(settings.shown ? node.size[1] : 0, node.computeSize()[1])]);
  }
  app.canvas?.setDirty(true, true);
}

/** Call `arrange` whenever one of the two choices changes, or the node is given saved values (loaded, pasted, cloned). */
function watch(node) {
  const { onConfigure } = node;
  node.onConfigure = function () {
    const result = onConfigure?.apply(this, arguments);
    arrange(node);
    return result;
  };
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
  const selected = ours(Object.values(app.canvas.selected_nodes ?? {}));
  return selected.length ? selected : ours(allNodes());
}

function toggle() {
  const nodes = chosen();
  const now = nodes.map((node) => ({ transition: widget(node, "transition").value, before: node.properties[KEPT] }));
  switched(now).forEach(({ transition, before }, k) => {
    if (before) nodes[k].properties[KEPT] = before;
    setTransition(nodes[k], transition);
  });
}

/** Give all widgets one value. Returns what puts their own back. */
function setAll(widgets, value) {
  const kept = widgets.map((widget) => widget.value);
  for (const widget of widgets) widget.value = value;
  return () => widgets.forEach((widget, k) => (widget.value = kept[k]));
}

/** Queue the prompt with mitigation off and then as it is, with the same seeds, and leave the graph as it was. */
async function queueBoth() {
  const seeds = allNodes()
    .flatMap((node) => node.widgets ?? [])
    .filter(({ name }) => name === "control_after_generate");
  const restoreSeeds = setAll(seeds, "fixed");
  const restore = setAll(ours(allNodes()).map((node) => widget(node, "transition")), OFF);
  try {
    await app.queuePrompt(0, 1);
    restore();
    await app.queuePrompt(0, 1);
  } finally {
    restore();
    restoreSeeds();
  }
}

app.registerExtension({
  name: "BasinEscape",
  commands: [
    { id: "BasinEscape.ToggleMitigation", label: "Basin Escape: toggle mitigation", function: toggle },
    { id: "BasinEscape.QueueBoth", label: "Basin Escape: queue with and without", function: queueBoth },
  ],
  settings: [
    {
      id: LIVE_CURVE,
      name: "Draw the guidance-norm curve on the nodes",
      tooltip: "Basin Escape nodes show how strongly the prompt pulls while the image forms.",
      category: ["Basin Escape", "Curve", "LiveCurve"],
      type: "boolean",
      defaultValue: true,
      onChange: (shown) => fitCurves({ shown }),
    },
    {
      id: CURVE_HEIGHT,
      name: "Height of the curve in pixels",
      tooltip: "The least height; the curve grows with its node.",
      category: ["Basin Escape", "Curve", "CurveHeight"],
      type: "slider",
      attrs: { min: 80, max: 400, step: 10 },
      defaultValue: 120,
      onChange: (height) => fitCurves({ height }),
    },
  ],
  keybindings: [{ commandId: "BasinEscape.ToggleMitigation", combo: { key: "e", alt: true, shift: true } }],
  menuCommands: [{ path: ["Extensions"], commands: ["BasinEscape.ToggleMitigation", "BasinEscape.QueueBoth"] }],
  setup() {
    api.addEventListener("basin_escape.curve", ({ detail }) => curves.get(findNode(detail.node))?.receive(detail));
  },
  nodeCreated(node) {
    if (!NODES.has(node.comfyClass)) return;
    curves.set(node, new Curve(node, curveSettings()));
    watch(node);
    arrange(node);
  },
});
