/** The graph of a workflow: its nodes, and where the value of a widget comes from. Nothing here touches the page. */

/** The node by which a subgraph takes in what is connected to it. */
const SUBGRAPH_INPUT = -10;
const MODES = { 2: "muted", 4: "bypassed" };

export const widget = (node, name) => node.widgets?.find((widget) => widget.name === name);

/**
 * Every node of a graph, those in subgraphs too: { node, id, owners }. id: as in a prompt, "7" or "3:7" for node 7 in the
 * subgraph of node 3; owners: the subgraph nodes around it, from the outside in.
 */
export function allNodes(graph, owners = []) {
  return (graph.nodes ?? graph._nodes).flatMap((node) => {
    const id = [...owners, node].map((part) => part.id).join(":");
    return [{ node, id, owners }, ...(node.subgraph ? allNodes(node.subgraph, [...owners, node]) : [])];
  });
}

/** "muted" or "bypassed" where a node takes no part in the prompt, or a subgraph that it is in; else undefined. */
export function absence({ node, owners }) {
  return [node, ...owners].map(({ mode }) => MODES[mode]).find(Boolean);
}

/**
 * Where the prompt has the value of a widget from: { node, widget }. That is the widget itself, or what is connected to
 * it: a primitive's, a subgraph's promoted one. widget is null where a node computes it.
 */
export function source({ node, owners }, name) {
  const input = node.inputs?.find((input) => (input.widget?.name ?? input.name) === name);
  return input?.link == null ? { node, widget: widget(node, name) ?? null } : origin(node.graph, input.link, owners);
}

function origin(graph, id, owners) {
  const link = graph.getLink?.(id) ?? graph.links.get?.(id) ?? graph.links[id];
  if (!link) return { node: null, widget: null };
  if (Number(link.origin_id) === SUBGRAPH_INPUT) return promoted(owners, link.origin_slot);
  const node = graph.getNodeById(link.origin_id);
  if (!node || MODES[node.mode]) return { node, widget: null };
  if (node.type === "Reroute" && node.inputs[0].link != null) return origin(graph, node.inputs[0].link, owners);
  if (node.type.startsWith("Primitive")) return inner(node);
  return { node, widget: null };
}

/** Of a primitive, whose value itself may be connected to something. */
function inner(node) {
  const value = widget(node, "value") ?? node.widgets?.[0] ?? null;
  const connected = node.inputs?.some((input) => input.link != null);
  return { node, widget: connected ? null : value };
}

/** What the subgraph node has at one of its inputs. */
function promoted(owners, slot) {
  const owner = owners.at(-1);
  const input = owner?.inputs[slot];
  if (!input) return { node: null, widget: null };
  if (input.link != null) return origin(owner.graph, input.link, owners.slice(0, -1));
  return { node: owner, widget: widget(owner, input.widget?.name ?? input.name) ?? null };
}
