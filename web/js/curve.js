/** The guidance-norm curve of a node: what has arrived of it, in words, and as a drawing. Nothing here touches the page. */

/** What a node shows before anything was sampled. */
export const EMPTY = { run: null, previous: null };

/**
 * The state after a message of the server. A message that begins at observation 0 begins a run; the one before it stays,
 * to compare with.
 */
export function receive(state, message) {
  const begins = message.first === 0;
  const before = begins ? { timesteps: [], norms: [] } : state.run;
  if (!before || before.timesteps.length !== message.first) return state; // the page was opened in the middle of a run
  const run = {
    timesteps: [...before.timesteps, ...message.timesteps],
    norms: [...before.norms, ...message.norms],
    transitionStep: message.transition_step,
    gated: message.gated,
    transition: message.transition,
    ended: message.ended,
  };
  return { run, previous: begins ? state.run : state.previous };
}

/** Whether the norm before `step` was a minimum, or else the deadline decided. */
export function atMinimum(run, sample, step) {
  if (step < 2) return false;
  const [before, at, after] = [step - 2, step - 1, step].map((k) => run.norms[k][sample]);
  return before > at && at < after;
}

/** When CFG began, in words. */
export function describe(run) {
  if (run.transition === "off") return "plain CFG";
  const parts = [];
  const switched = run.transitionStep.flatMap((step, sample) => (step >= 0 && !run.gated[sample] ? [[step, sample]] : []));
  const gated = run.gated.filter(Boolean).length;
  const waiting = run.transitionStep.filter((step) => step < 0).length;
  if (switched.length === 1) {
    const [step, sample] = switched[0];
    const deadline = run.transition === "dynamic" && !atMinimum(run, sample, step);
    parts.push(`CFG from step ${step}, t = ${Math.round(run.timesteps[step])}${deadline ? " (deadline)" : ""}`);
  } else if (switched.length > 1) {
    const steps = switched.map(([step]) => step);
    parts.push(`CFG from steps ${Math.min(...steps)} to ${Math.max(...steps)} in ${switched.length} of ${run.gated.length}`);
  }
  const count = (n) => (run.gated.length === 1 ? "" : `${n} `);
  if (gated) parts.push(`${count(gated)}not memorized: plain CFG`);
  if (waiting) parts.push(`${count(waiting)}${run.ended ? "no transition" : "before the transition"}`);
  return parts.join("; ");
}

/** The mean over the samples at every step; null where none has a norm. */
export function mean(run) {
  return run.norms.map((row) => {
    const values = row.filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  });
}

/** Share of the samples before their transition, per step. */
export function waitingShare(run) {
  if (run.transition === "off") return run.timesteps.map(() => 0);
  return run.timesteps.map(
    (_, k) => run.transitionStep.filter((step) => step < 0 || k < step).length / run.transitionStep.length,
  );
}

const BADGE = 28;
const MARGIN = { left: 38, right: 8, top: 20, bottom: 16 };

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
  context.clearRect(0, 0, width, height);
  context.font = "11px sans-serif";
  context.textBaseline = "middle";
  const scale = scales(state, width, height);
  const { run, previous } = state;
  const bottom = height - MARGIN.bottom;

  context.fillStyle = colours.shade;
  if (run) {
    waitingShare(run).forEach((share, k) => {
      const left = scale.x(run.timesteps[k]);
      const right = k + 1 < run.timesteps.length ? scale.x(run.timesteps[k + 1]) : left;
      context.globalAlpha = 0.3 * share;
      context.fillRect(left, MARGIN.top, right - left, bottom - MARGIN.top);
    });
    context.globalAlpha = 1;
  }

  context.strokeStyle = context.fillStyle = colours.faint;
  context.lineWidth = 1;
  context.strokeRect(MARGIN.left, MARGIN.top, width - MARGIN.left - MARGIN.right, bottom - MARGIN.top);
  context.textAlign = "center";
  for (const timestep of [1000, 500, 0]) context.fillText(String(timestep), scale.x(timestep), bottom + 9);
  context.textAlign = "right";
  context.fillText(scale.most.toPrecision(2), MARGIN.left - 4, MARGIN.top + 4);
  context.fillText("0", MARGIN.left - 4, bottom);
  context.textAlign = "left";
  context.fillStyle = colours.ink;
  context.fillText(run ? describe(run) : "The guidance norm is drawn here while sampling.", 6, 10, width - BADGE - 12);
  drawBadge(context, width, colours, on);

  if (previous) line(context, scale, previous.timesteps, mean(previous));
  if (!run) return;
  const batch = run.gated.length;
  context.lineWidth = batch > 4 ? 0.7 : 1.6;
  for (let sample = 0; sample < batch; sample++) {
    context.strokeStyle = context.fillStyle = hue(sample, batch);
    const values = run.norms.map((row) => row[sample]);
    line(context, scale, run.timesteps, values);
    const step = run.transitionStep[sample];
    if (step >= 0 && !run.gated[sample] && values[step] !== null) {
      context.beginPath();
      context.arc(scale.x(run.timesteps[step]), scale.y(values[step]), batch > 4 ? 2 : 3.5, 0, 2 * Math.PI);
      context.fill();
    }
  }
  if (batch > 4) {
    context.strokeStyle = colours.ink;
    context.lineWidth = 2;
    line(context, scale, run.timesteps, mean(run));
  }
  if (hover !== null) drawHover(context, run, scale, hover, width, bottom, colours);
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
