/** What the widgets of a node mean for each other, and the switch. Nothing here touches the page. */

export const OFF = "off";

/** When each widget that depends on the two choices has an effect. */
const EFFECTIVE = {
  static_percent: (transition) => transition === "static",
  latest_percent: (transition) => transition === "dynamic" || transition === "escape",
  opposite_scale: (transition, beforeTransition) => transition !== OFF && beforeTransition === "opposite guidance",
};

export const DEPENDENT = Object.keys(EFFECTIVE);

/** Names of the widgets that the two choices leave without effect. */
export function idleWidgets(transition, beforeTransition) {
  return DEPENDENT.filter((name) => !EFFECTIVE[name](transition, beforeTransition));
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
