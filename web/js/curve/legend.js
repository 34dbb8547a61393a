/** What the marks of the curve mean, in one row. Nothing here touches the page. */

import { say, sayLabel } from "../words.js";
import { colourOf } from "./colours.js";

const MARK = 12;
const GAP = 9;

export function drawLegend(context, state, scale, colours) {
  context.font = "10px sans-serif";
  context.textAlign = "left";
  let x = scale.left;
  for (const [mark, text] of entries(state, colours)) {
    const width = MARK + context.measureText(text).width;
    if (x + width > scale.right) return;
    mark(context, x, scale.upper - 9);
    context.fillStyle = colours.faint;
    context.fillText(text, x + MARK, scale.upper - 9);
    x += width + GAP;
  }
}

/** [what draws the mark at a place, text] of all that is in the drawing. */
function entries({ run, previous }, colours) {
  const shown = [];
  const began = run.transitionStep.some((step, sample) => step >= 0 && !run.gated[sample]);
  if (run.gated.length > 1) shown.push([images(run.gated.length), say("images")]);
  if (began) shown.push([dot(colours.ink), say("CFG began")]);
  const pull = run.series.first_pull;
  if (run.mitigates) shown.push([block(colours.shade), pull ? say("taken out") : say("held back")]);
  if (pull) shown.push([stroke(colours.ink, [2, 2]), say("pull left (0-1)")]);
  if (previous) shown.push([stroke(colours.faint, []), previous.label ? sayLabel(previous.label) : say("run before")]);
  return shown;
}

/** A stripe in the colour of each image; of a large batch the first and last, and two between. */
const images = (batch) => (context, x, y) => {
  const stripes = Math.min(batch, 4);
  for (let k = 0; k < stripes; k++) {
    context.fillStyle = colourOf(Math.round((k * (batch - 1)) / (stripes - 1)), batch);
    context.fillRect(x, y - 5 + 2.5 * k, 9, 1.5);
  }
};

const dot = (colour) => (context, x, y) => {
  context.fillStyle = colour;
  context.beginPath();
  context.arc(x + 5, y, 3, 0, 2 * Math.PI);
  context.fill();
};

const block = (colour) => (context, x, y) => {
  context.globalAlpha = 0.45;
  context.fillStyle = colour;
  context.fillRect(x, y - 4, 9, 8);
  context.globalAlpha = 1;
};

const stroke = (colour, dash) => (context, x, y) => {
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.setLineDash(dash);
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + 9, y);
  context.stroke();
  context.setLineDash([]);
};
