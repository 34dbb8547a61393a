/** The values of the step below the pointer, each in the colour of its image. Nothing here touches the page. */

import { say } from "../words.js";
import { colourOf } from "./colours.js";
import { nearestStep } from "./scales.js";
import { mean, norms } from "./state.js";

const LINE = 13;
const SHOWN = 8;

export function drawHover(context, run, scale, hover, colours) {
  const step = nearestStep(run, scale.timestep(hover));
  if (step < 0) return;
  const x = scale.x(run.timesteps[step]);
  context.strokeStyle = colours.ink;
  context.lineWidth = 0.7;
  context.beginPath();
  context.moveTo(x, scale.upper);
  context.lineTo(x, scale.bottom);
  context.stroke();
  drawValues(context, place(context, values(run, step, colours), scale), x, scale, colours);
}

/** [{ text, colour }] of a step. */
function values(run, step, colours) {
  const row = norms(run)[step] ?? [];
  const show = (value) => (value === null ? "-" : value.toPrecision(3));
  const shown = row.slice(0, SHOWN).map((value, sample) => ({ text: show(value), colour: colourOf(sample, row.length) }));
  const all = row.length > 1 ? [{ text: `${say("mean")} ${show(mean([row])[0])}`, colour: colours.ink }] : [];
  return [{ text: `${say("step")} ${step}, t = ${Math.round(run.timesteps[step])}`, colour: colours.ink }, ...all, ...shown];
}

/** Give each text a place in lines of at most the plot's width, from 0, 0 on. */
function place(context, texts, scale) {
  context.font = "11px sans-serif";
  const room = scale.right - scale.left - 8;
  let [x, line] = [0, 0];
  return texts.map((text) => {
    const width = context.measureText(text.text).width;
    if (x && x + width > room) [x, line] = [0, line + 1];
    const placed = { ...text, x, line, width };
    x += width + 8;
    return placed;
  });
}

/** In a box beside the pointer, where there is room. */
function drawValues(context, texts, x, scale, colours) {
  const width = Math.max(...texts.map((text) => text.x + text.width)) + 8;
  const height = LINE * (texts.at(-1).line + 1) + 4;
  const left = x + 6 + width <= scale.right ? x + 6 : Math.max(scale.left, x - 6 - width);
  context.fillStyle = colours.paper;
  context.globalAlpha = 0.85;
  context.fillRect(left, scale.upper + 1, width, height);
  context.globalAlpha = 1;
  context.textAlign = "left";
  for (const { text, colour, x, line } of texts) {
    context.fillStyle = colour;
    context.fillText(text, left + 4 + x, scale.upper + 9 + LINE * line);
  }
}
