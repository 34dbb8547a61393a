/** What the definitions of our nodes tell the page. Nothing here touches the page. */

import { say } from "./words.js";

/**
 * Of a definition as the server sends it, or null for a node of which the page has nothing to do:
 *
 * off, usual   the choice of `transition` that switches mitigation off, and the default one; undefined without a switch
 * shownWhen    by widget, the choices of other widgets with which it has an effect
 * ranges       by widget, { min, max, typed }: what a typed number may be, and what others look like
 */
export function learn(definition) {
  const options = Object.entries({ ...definition.input?.required, ...definition.input?.optional }).map(
    ([name, [, options]]) => [name, options ?? {}],
  );
  const { off, default: usual } = Object.fromEntries(options).transition ?? {};
  const dependent = options.filter(([, options]) => options.shown_when);
  const numbers = options.filter(([, { shown_when, typed, max }]) => (shown_when || typed) && max !== undefined);
  if (off === undefined && !dependent.length) return null;
  return {
    off,
    usual,
    shownWhen: Object.fromEntries(dependent.map(([name, options]) => [name, options.shown_when])),
    ranges: Object.fromEntries(numbers.map(([name, { min, max, typed }]) => [name, { min, max, typed: typed ?? [] }])),
  };
}

/** Names of the widgets that have no effect. values: of the others by name, undefined where they are not known. */
export function idleWidgets(shownWhen, values) {
  const fails = ([name, choices]) => values[name] !== undefined && !choices.includes(values[name]);
  return Object.keys(shownWhen).filter((widget) => Object.entries(shownWhen[widget]).some(fails));
}

/** What a typed number becomes, and what is to be said about it: { value, text }, text undefined where all is well. */
export function understand(value, { min, max, typed }) {
  const case_ = typed.find(({ over, to }) => value > over && value <= to);
  const [times, plus] = case_?.becomes ?? [1, 0];
  const rounded = Number((times * value + plus).toPrecision(6));
  const kept = Math.min(Math.max(rounded, min), max);
  const says = case_ ? say(case_.says) : kept === value ? undefined : say("is out of range");
  return { value: kept, text: says && `${value} ${says}${kept === value ? "" : `: ${say("set to")} ${kept}`}` };
}
