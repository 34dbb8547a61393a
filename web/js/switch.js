/** The switch. Nothing here touches the page. */

/** A node's property: its transition before it was switched off. */
export const KEPT = "transition before it was switched off";

/**
 * What `transition` becomes on each node, given what it is, what it was before it was last switched off, which choice
 * means off and which is the usual one. If any is on, all go off; otherwise each goes back to what it was.
 */
export function switched(nodes) {
  const on = nodes.some(({ transition, off }) => transition !== off);
  return nodes.map(({ transition, before, off, usual }) => {
    if (!on) return { transition: before ?? usual, before };
    return { transition: off, before: transition === off ? before : transition };
  });
}

/** The value of an input in a prompt's output, through primitives; undefined where a node computes it. */
export function valueInPrompt(output, id, name) {
  const value = output[id].inputs[name];
  if (!Array.isArray(value)) return value;
  const node = output[value[0]];
  return node?.class_type.startsWith("Primitive") ? valueInPrompt(output, value[0], "value") : undefined;
}

/** A prompt's output with the `transition` of some of its nodes set to off. nodes: [{ id, off }]. */
export function without(output, nodes) {
  const off = nodes.map(({ id, off }) => [id, { ...output[id], inputs: { ...output[id].inputs, transition: off } }]);
  return { ...output, ...Object.fromEntries(off) };
}

/** The same prompt whose files end in a label. */
export function labelled(output, label) {
  const relabel = ([id, node]) => {
    const prefix = node.inputs.filename_prefix;
    if (typeof prefix !== "string") return [id, node];
    return [id, { ...node, inputs: { ...node.inputs, filename_prefix: `${prefix}_${label}` } }];
  };
  return Object.fromEntries(Object.entries(output).map(relabel));
}
