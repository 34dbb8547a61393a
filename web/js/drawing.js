/** The guidance-norm curve as a drawing in a 2D context. Nothing here touches the page. */

import { describe, mean, waitingShare } from "./curve.js";

/** Height of the line of words and the badge. */
export const HEADER = 20;
const BADGE = 28;
const MARGIN = { left: 38, right: 8, top: HEADER, bottom: 16 };

/** The largest norm that is drawn, at the top of the axis. */
export function top(state) {
  const values = [state.run, state.previous].flatMap((run) => (run ? run.norms.flat() : []));
  const most = values.reduce((most, value) => Math.max(most, value ?? 0), 0);
  return most > 0 ? 1.05 * most : 1;
}

/** Functions from timestep and norm to pixels. */
export function scales(state, width, height) {
  const inner = { width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom };
  const most = top(state);
  return {
    x: (timestep) => MARGIN.left + (1 - timestep / 1000) * inner.width,
    y: (norm) => MARGIN.top + (1 - norm / most) * inner.height,
    timestep: (x) => 1000 * (1 - (x - MARGIN.left) / inner.width),
    most,
  };
}

/** The step whose timestep is nearest to a horizontal position, or -1. */
export function nearestStep(run, timestep) {
  let nearest = -1;
  for (let k = 0; k < run.timesteps.length; k++) {
    if (nearest < 0 || Math.abs(run.timesteps[k] - timestep) < Math.abs(run.timesteps[nearest] - timestep)) nearest = k;
  }
  return nearest;
}

function line(context, scale, timesteps, values) {
  context.beginPath();
  let drawing = false;
  values.forEach((value, k) => {
    if (value === null) {
      drawing = false; // a gap, where a pass was skipped
      return;
    }
    const [x, y] = [scale.x(timesteps[k]), scale.y(value)];
    if (drawing) context.lineTo(x, y);
    else context.moveTo(x, y);
    drawing = true;
  });
  context.stroke();
}

const hue = (sample, batch) => `hsl(${Math.round((210 + (360 * sample) / batch) % 360)} 70% 58%)`;

/**
 * Draw the curves of `state` into a 2D context of the given size in CSS pixels.
 * colours: { ink, faint, shade }; on: whether the node mitigates; hover: horizontal position of the pointer, or null.
 */
export function draw(context, state, width, height, colours, on, hover = null) {
  drawHeader(context, state, width, colours, on);
  const scale = scales(state, width, height);
  const { run, previous } = state;
  const bottom = height - MARGIN.bottom;
  if (run) drawShade(context, run, scale, bottom, colours);
  drawAxes(context, scale, width, bottom, colours);
  context.strokeStyle = colours.faint;
  context.lineWidth = 1;
  if (previous) line(context, scale, previous.timesteps, mean(previous));
  if (run) drawCurves(context, run, scale, colours);
  if (run && hover !== null) drawHover(context, run, scale, hover, width, bottom, colours);
}

/** What happened, in words, and the badge. */
export function drawHeader(context, { run }, width, colours, on) {
  context.font = "11px sans-serif";
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillStyle = colours.ink;
  context.fillText(run ? describe(run) : "The guidance norm is shown here while sampling.", 6, 10, width - BADGE - 12);
  drawBadge(context, width, colours, on);
}

/** Shade every step as strongly as the share of samples that are under mitigation in it. */
function drawShade(context, run, scale, bottom, colours) {
  context.fillStyle = colours.shade;
  waitingShare(run).forEach((share, k) => {
    const left = scale.x(run.timesteps[k]);
    const right = k + 1 < run.timesteps.length ? scale.x(run.timesteps[k + 1]) : left;
    context.globalAlpha = 0.3 * share;
    context.fillRect(left, MARGIN.top, right - left, bottom - MARGIN.top);
  });
  context.globalAlpha = 1;
}

function drawAxes(context, scale, width, bottom, colours) {
  context.strokeStyle = context.fillStyle = colours.faint;
  context.lineWidth = 1;
  context.strokeRect(MARGIN.left, MARGIN.top, width - MARGIN.left - MARGIN.right, bottom - MARGIN.top);
  context.textAlign = "center";
  for (const timestep of [1000, 500, 0]) context.fillText(String(timestep), scale.x(timestep), bottom + 9);
  context.textAlign = "right";
  context.fillText(scale.most.toPrecision(2), MARGIN.left - 4, MARGIN.top + 4);
  context.fillText("0", MARGIN.left - 4, bottom);
}

/** One line per sample with a dot at its transition; from five samples on thin, with their mean. */
function drawCurves(context, run, scale, colours) {
  const batch = run.gated.length;
  const many = batch > 4;
  context.lineWidth = many ? 0.7 : 1.6;
  for (let sample = 0; sample < batch; sample++) {
    context.strokeStyle = context.fillStyle = hue(sample, batch);
    const values = run.norms.map((row) => row[sample]);
    line(context, scale, run.timesteps, values);
    const step = run.transitionStep[sample];
    if (step >= 0 && !run.gated[sample] && values[step] !== null) {
      context.beginPath();
      context.arc(scale.x(run.timesteps[step]), scale.y(values[step]), many ? 2 : 3.5, 0, 2 * Math.PI);
      context.fill();
    }
  }
  if (many) {
    context.strokeStyle = colours.ink;
    context.lineWidth = 2;
    line(context, scale, run.timesteps, mean(run));
  }
}

/** Off or on, at a glance: it is what the next run will do. */
function drawBadge(context, width, colours, on) {
  context.fillStyle = on ? colours.shade : colours.faint;
  context.fillRect(width - BADGE - 4, 3, BADGE, 14);
  context.fillStyle = "#fff";
  context.textAlign = "center";
  context.fillText(on ? "ON" : "OFF", width - BADGE / 2 - 4, 10.5);
}

function drawHover(context, run, scale, hover, width, bottom, colours) {
  const step = nearestStep(run, scale.timestep(hover));
  if (step < 0) return;
  const x = scale.x(run.timesteps[step]);
  context.strokeStyle = colours.ink;
  context.lineWidth = 0.7;
  context.beginPath();
  context.moveTo(x, MARGIN.top);
  context.lineTo(x, bottom);
  context.stroke();
  const values = run.norms[step].slice(0, 4).map((value) => (value === null ? "-" : value.toPrecision(3)));
  if (run.norms[step].length > 4) values.push(`... mean ${(mean(run)[step] ?? 0).toPrecision(3)}`);
  const text = `step ${step}, t = ${Math.round(run.timesteps[step])}: ${values.join(", ")}`;
  const room = context.measureText(text).width;
  context.fillStyle = colours.ink;
  context.textAlign = "left";
  context.fillText(text, Math.max(MARGIN.left + 3, Math.min(x + 5, width - MARGIN.right - room - 2)), MARGIN.top + 9);
}
