/** Axes of the curve, and the gate. Nothing here touches the page. */

import { say } from "../words.js";
import { ticks } from "./scales.js";

const SMALL = "10px sans-serif";

export function drawAxes(context, state, scale, colours) {
  const { left, right, upper, bottom } = scale;
  context.font = SMALL;
  context.lineWidth = 1;
  context.strokeStyle = context.fillStyle = colours.faint;
  drawTicks(context, scale, state.run !== null);
  context.globalAlpha = 0.6;
  context.strokeRect(left, upper, right - left, bottom - upper);
  context.globalAlpha = 1;
  context.textAlign = "center";
  for (const timestep of [750, 500, 250]) context.fillText(String(timestep), scale.x(timestep), bottom + 8);
  context.textAlign = "left";
  context.fillText("1000", left, bottom + 8);
  context.textAlign = "right";
  context.fillText("0", right, bottom + 8);
  if (scale.roomy) drawNames(context, scale);
  if (state.run?.series.first_pull) drawSecond(context, scale);
}

/** Levels with their values, once there are any. */
function drawTicks(context, scale, known) {
  context.textAlign = "right";
  const spacing = scale.roomy ? 18 : 24;
  const count = Math.max(1, Math.floor((scale.bottom - scale.upper) / spacing));
  for (const { value, text } of known ? ticks(scale.most, count) : []) {
    const y = scale.y(value);
    context.globalAlpha = 0.25;
    context.beginPath();
    context.moveTo(scale.left, y);
    context.lineTo(scale.right, y);
    context.stroke();
    context.globalAlpha = 1;
    context.fillText(text, scale.left - 4, y);
  }
}

function drawNames(context, { left, right, upper, bottom }) {
  context.textAlign = "center";
  context.fillText(say("noise -> image"), (left + right) / 2, bottom + 20, right - left);
  context.save();
  context.translate(7, (upper + bottom) / 2);
  context.rotate(-Math.PI / 2);
  context.fillText(say("pull of the prompt"), 0, 0, bottom - upper + 30);
  context.restore();
}

/** The axis of shares, on the right. */
function drawSecond(context, scale) {
  context.textAlign = "left";
  for (const share of [0, 1]) context.fillText(String(share), scale.right + 4, scale.share(share));
}

/** What the first point of an image is compared with. */
export function drawGate(context, run, scale, colours) {
  if (run.threshold === null) return;
  const inside = run.threshold <= scale.most;
  const y = inside ? scale.y(run.threshold) : scale.upper + 1;
  context.strokeStyle = context.fillStyle = colours.ink;
  context.lineWidth = 1;
  context.setLineDash([5, 3]);
  context.beginPath();
  context.moveTo(scale.left, y);
  context.lineTo(scale.right, y);
  context.stroke();
  context.setLineDash([]);
  context.font = SMALL;
  context.textAlign = "right";
  const above = y - scale.upper > 14;
  context.fillText(`${say("memorized above")} ${Number(run.threshold.toPrecision(3))}${inside ? "" : " ^"}`, scale.right - 3, above ? y - 6 : y + 7);
}
