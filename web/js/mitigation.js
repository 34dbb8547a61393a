/** What the widgets of a node mean for each other, and the switch. Nothing here touches the page. */

export const OFF = "off";

/** Names of the widgets that the others leave without effect. */
export function idleWidgets(transition, beforeTransition) {
  const idle = [];
  if (transition !== "static") idle.push("static_percent");
  if (transition !== "dynamic") idle.push("latest_percent");
  if (transition === OFF || beforeTransition !== "opposite guidance") idle.push("opposite_scale");
  return idle;
}

/**
 * The switch: what `transition` becomes on each node, given what it is and what it was before it was last switched off.
 * If any is on, all go off; otherwise each goes back to what it was.
 */
export function switched(nodes) {
  const off = nodes.some(({ transition }) => transition !== OFF);
  return nodes.map(({ transition, before }) => {
    if (!off) return { transition: before ?? "dynamic", before };
    return { transition: OFF, before: transition === OFF ? before : transition };
  });
}
