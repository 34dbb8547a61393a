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

/** Where a graph that is queued says which tab it comes from: ComfyUI sends its `extra` along, see nodes/live.py. */
const MARK = "basin_escape_mark";

export const marked = (workflow, mark) => ({ ...workflow, extra: { ...workflow.extra, [MARK]: mark } });

/** Let the graph carry a mark, or none. */
export function setMark(mark) {
  const { extra } = rootGraph();
  if (mark) extra[MARK] = mark;
  else delete extra[MARK];
}

/** The name of an open workflow by its id, that in sight first; undefined where it is not open. */
export function nameOf(id) {
  const { activeWorkflow: active, openWorkflows: open } = app.extensionManager.workflow;
  const found = [active, ...open].find((workflow) => id && workflow?.activeState?.id === id);
  return found && `${found.path} ${id}`;
}

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
