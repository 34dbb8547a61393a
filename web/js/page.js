/** The page's own graph and workflows, as the rest of the extension asks for them. */

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { allNodes } from "./graph.js";

export { api, app };

/** What is known of our nodes (see definitions.js), by their class. */
export const definitions = new Map();

const rootGraph = () => app.rootGraph ?? app.graph;

const activeWorkflow = () => app.extensionManager?.workflow?.activeWorkflow;

/** Tells a workflow from every other: two tabs may hold the same graph, and a closed tab leaves its name. */
export const workflowName = (path = activeWorkflow()?.path) => `${path ?? ""} ${rootGraph()?.id ?? ""}`;

/** Prompts that were given a label, and those that the server took. */
export const labels = new WeakMap();
export const accepted = new WeakSet();

let last = {};

/** [old, new] name of the workflow in sight where it was renamed since the last call, or null. */
export function renamed() {
  const [before, now] = [last, { workflow: activeWorkflow(), path: activeWorkflow()?.path }];
  last = now;
  const moved = before.workflow && before.workflow === now.workflow && before.path !== now.path;
  return moved ? [workflowName(before.path), workflowName()] : null;
}

export const everyNode = () => (rootGraph() ? allNodes(rootGraph()) : []);

/** Our nodes in the workflow in sight: { node, id, owners, definition }, see graph.js. */
export function ourNodes() {
  const nodes = everyNode().filter(({ node }) => definitions.has(node.comfyClass));
  return nodes.map((entry) => ({ ...entry, definition: definitions.get(entry.node.comfyClass) }));
}

/** Those of them that have the switch and the curve. */
export const switches = () => ourNodes().filter(({ definition }) => definition.off !== undefined);

/** The workflow as it would be saved now. */
export const serialize = () => rootGraph().serialize();

export function tell(severity, detail) {
  app.extensionManager.toast.add({ severity, summary: "Basin Escape", detail, life: 8000 });
}
