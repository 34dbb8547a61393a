/** From a run's numbers to the pixels of its drawing. Nothing here touches the page. */

import { norms } from "./state.js";

/** Below this height there is no room for legend and axis names. */
const ROOMY = 100;

/** The largest number that is drawn, at the top of the axis. */
export function top(state) {
  const values = [state.run, state.previous].flatMap((run) => (run ? norms(run).flat() : []));
  const most = values.reduce((most, value) => Math.max(most, value ?? 0), 0);
  return most > 0 ? 1.05 * most : 1;
}

/** Round numbers from 0 to the top: at most `count` steps of 1, 2 or 5. */
export function ticks(most, count) {
  const power = 10 ** Math.floor(Math.log10(most / count));
  const step = [1, 2, 5, 10].map((times) => times * power).find((step) => most / step <= count);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, k) => ({ value: k * step, text: (k * step).toFixed(decimals) }));
}

/**
 * Where the plot lies in a drawing of the given size, and functions from timestep, norm and share to pixels and back.
 * second: whether there is an axis on the right, from 0 to 1.
 */
export function scales(state, width, height, second = false) {
  const roomy = height >= ROOMY;
  const [left, right, upper, bottom] = [roomy ? 50 : 40, width - (second ? 22 : 8), roomy ? 17 : 6, height - (roomy ? 27 : 15)];
  const most = top(state);
  return {
    roomy,
    left,
    right,
    upper,
    bottom,
    most,
    x: (timestep) => left + (1 - timestep / 1000) * (right - left),
    y: (norm) => bottom - (norm / most) * (bottom - upper),
    share: (share) => bottom - share * (bottom - upper),
    timestep: (x) => 1000 * (1 - (x - left) / (right - left)),
  };
}

/** The step whose timestep is nearest to one, or -1. */
export function nearestStep(run, timestep) {
  let nearest = -1;
  for (let k = 0; k < run.timesteps.length; k++) {
    if (nearest < 0 || Math.abs(run.timesteps[k] - timestep) < Math.abs(run.timesteps[nearest] - timestep)) nearest = k;
  }
  return nearest;
}
