/** What a node shows of its runs, from the messages of the server. Nothing here touches the page. */

/** Before anything was sampled. */
export const EMPTY = { run: null, previous: null };

const NORM = "guidance_norm";

/**
 * The state after a message of the server. A message of another run begins that one if it has its first observation; the
 * run before it stays to compare with, if it came to its end. label: of the prompt, undefined for most.
 */
export function receive(state, message, label) {
  const same = state.run?.id === message.run;
  if (!same && message.first !== 0) return state; // the rest comes with the next whole message
  if (same && message.first > state.run.timesteps.length) return state;
  const { first, timesteps, series } = message;
  const before = same ? state.run : { timesteps: [], series: {} };
  const join = (name) => [...(before.series[name] ?? []).slice(0, first), ...series[name]];
  const run = {
    id: message.run,
    prompt: message.prompt_id,
    label,
    timesteps: [...before.timesteps.slice(0, first), ...timesteps],
    series: Object.fromEntries(Object.keys(series).map((name) => [name, join(name)])),
    threshold: message.threshold,
    mitigates: message.mitigates,
    transitionStep: message.transition_step,
    reasons: message.reasons,
    gated: message.gated,
    words: message.words,
    status: message.status,
    ended: message.ended,
    interrupted: message.interrupted,
  };
  const complete = state.run?.ended && !state.run.interrupted && state.run.timesteps.length > 0;
  return { run, previous: same || !complete ? state.previous : state.run };
}

/** The state after its prompt was interrupted: what was going on goes on no more. */
export function interrupt(state, prompt) {
  if (state.run?.prompt !== prompt || state.run.ended) return state;
  const status = { kind: "interrupted", sentences: ["interrupted: there is no picture of this run."] };
  return { ...state, run: { ...state.run, words: "", status, ended: true, interrupted: true } };
}

export const norms = (run) => run.series[NORM] ?? [];

/** The mean over the samples at every step of a series; null where none has a value. */
export function mean(rows) {
  return rows.map((row) => {
    const values = row.filter((value) => value !== null);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  });
}

/** Share of the samples before their transition, per step. */
export function waitingShare(run) {
  if (!run.mitigates) return run.timesteps.map(() => 0);
  return run.timesteps.map(
    (_, k) => run.transitionStep.filter((step) => step < 0 || k < step).length / run.transitionStep.length,
  );
}

/** What is to be read of a run: [{ kind, text }], the status before the words, where these say more. */
export function sentences({ status, words }) {
  const said = (status?.sentences ?? []).map((text) => ({ kind: status.kind, text }));
  const more = words && !said.some(({ text }) => text.includes(words));
  return [...said, ...(more ? [{ kind: "words", text: words }] : [])];
}
