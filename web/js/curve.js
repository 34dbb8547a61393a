/** The guidance-norm curve of a node: what has arrived of it, in numbers and in words. Nothing here touches the page. */

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
