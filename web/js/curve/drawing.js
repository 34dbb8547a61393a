/** The curves of a run as a drawing in a 2D context. Nothing here touches the page. */

import { say } from "../words.js";
import { drawAxes, drawGate } from "./axes.js";
import { colourOf } from "./colours.js";
import { drawHover } from "./hover.js";
import { drawLegend } from "./legend.js";
import { scales } from "./scales.js";
import { mean, norms, waitingShare } from "./state.js";

const FIRST_PULL = "first_pull";
const MANY = 4; // more images than this are drawn thin

/**
 * Draw the curves of `state` into a 2D context of the given size in CSS pixels.
 * colours: { ink, faint, shade, paper }; hover: horizontal position of the pointer, or null.
 */
export function draw(context, state, width, height, colours, hover = null) {
  const { run, previous } = state;
  const scale = scales(state, width, height, Boolean(run?.series[FIRST_PULL]));
  context.textBaseline = "middle";
  if (run) drawShade(context, run, scale, colours);
  drawAxes(context, state, scale, colours);
  if (!run) return drawHint(context, scale, colours);
  if (previous) drawPrevious(context, previous, scale, colours);
  drawFirstPull(context, run, scale);
  drawCurves(context, run, scale, colours);
  drawGate(context, run, scale, colours);
  if (scale.roomy) drawLegend(context, state, scale, colours);
  if (hover !== null) drawHover(context, run, scale, hover, colours);
}

function drawHint(context, scale, colours) {
  context.fillStyle = colours.faint;
  context.font = "11px sans-serif";
  context.textAlign = "center";
  const room = scale.right - scale.left - 8;
  context.fillText(say("drawn here while sampling"), (scale.left + scale.right) / 2, (scale.upper + scale.bottom) / 2, room);
}

function line(context, timesteps, values, x, y) {
  context.beginPath();
  let drawing = false;
  values.forEach((value, k) => {
    if (value === null) {
      drawing = false; // a gap, where a pass was skipped
      return;
    }
    if (drawing) context.lineTo(x(timesteps[k]), y(value));
    else context.moveTo(x(timesteps[k]), y(value));
    drawing = true;
  });
  context.stroke();
}

/** Shade every step as strongly as the share of images that are held back in it, one rectangle a stretch. */
function drawShade(context, run, scale, colours) {
  context.fillStyle = colours.shade;
  const shares = waitingShare(run);
  for (let first = 0; first < shares.length; ) {
    let last = first;
    while (last + 1 < shares.length && shares[last + 1] === shares[first]) last++;
    const [left, right] = [first, Math.min(last + 1, shares.length - 1)].map((k) => scale.x(run.timesteps[k]));
    context.globalAlpha = 0.3 * shares[first];
    if (shares[first]) context.fillRect(left, scale.upper, right - left, scale.bottom - scale.upper);
    first = last + 1;
  }
  context.globalAlpha = 1;
}

function drawPrevious(context, previous, scale, colours) {
  context.strokeStyle = colours.faint;
  context.lineWidth = 1.2;
  line(context, previous.timesteps, mean(norms(previous)), scale.x, scale.y);
}

/** What is left of the first pull, on the right axis. */
function drawFirstPull(context, run, scale) {
  const rows = run.series[FIRST_PULL];
  if (!rows) return;
  context.lineWidth = 1;
  context.setLineDash([2, 3]);
  for (let sample = 0; sample < run.gated.length; sample++) {
    context.strokeStyle = colourOf(sample, run.gated.length);
    line(context, run.timesteps, rows.map((row) => row[sample]), scale.x, scale.share);
  }
  context.setLineDash([]);
}

/** One line per image with a dot at its transition, hollow where the deadline decided; many of them thin, with a mean. */
function drawCurves(context, run, scale, colours) {
  const batch = run.gated.length;
  for (let sample = 0; sample < batch; sample++) {
    context.strokeStyle = context.fillStyle = colourOf(sample, batch);
    context.lineWidth = batch > MANY ? 0.8 : 1.6;
    const values = norms(run).map((row) => row[sample]);
    line(context, run.timesteps, values, scale.x, scale.y);
    const step = run.transitionStep[sample];
    if (step < 0 || run.gated[sample] || (values[step] ?? null) === null) continue;
    context.beginPath();
    context.arc(scale.x(run.timesteps[step]), scale.y(values[step]), batch > MANY ? 2.2 : 3.5, 0, 2 * Math.PI);
    if (run.reasons[sample] === "deadline") context.stroke();
    else context.fill();
  }
  if (batch <= MANY) return;
  context.strokeStyle = colours.ink;
  context.lineWidth = 2;
  line(context, run.timesteps, mean(norms(run)), scale.x, scale.y);
}
