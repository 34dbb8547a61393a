/** The state, the words and the drawing of the live curve, under Node's own test runner. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY, atMinimum, describe, mean, receive, waitingShare } from "../../web/js/curve.js";
import { draw, nearestStep, scales } from "../../web/js/drawing.js";

const message = (change) => ({
  first: 0,
  timesteps: [1000, 800, 600],
  norms: [[3], [2], [4]],
  transition_step: [2],
  gated: [false],
  transition: "dynamic",
  ended: false,
  ...change,
});
const run = (change) => receive(EMPTY, message(change)).run;

test("observations follow one another", () => {
  let state = receive(EMPTY, message({ timesteps: [1000], norms: [[3]], transition_step: [-1] }));
  state = receive(state, message({ first: 1, timesteps: [800, 600], norms: [[2], [4]], ended: true }));
  assert.deepEqual(state.run.timesteps, [1000, 800, 600]);
  assert.deepEqual(state.run.norms, [[3], [2], [4]]);
  assert.deepEqual(state.run.transitionStep, [2]);
  assert.equal(state.run.ended, true);
  assert.equal(state.previous, null);
});

test("a new run keeps the last one to compare with", () => {
  const first = receive(EMPTY, message({ ended: true }));
  const second = receive(first, message({ timesteps: [1000], norms: [[1]] }));
  assert.equal(second.previous, first.run);
  assert.deepEqual(second.run.timesteps, [1000]);
  assert.equal(receive(second, message({ first: 1, timesteps: [], norms: [] })).previous, first.run);
});

test("what does not follow is left out", () => {
  assert.equal(receive(EMPTY, message({ first: 7 })), EMPTY);
  const state = receive(EMPTY, message());
  assert.equal(receive(state, message({ first: 9 })), state);
});

test("a state that was handed in is not changed", () => {
  const state = Object.freeze(receive(EMPTY, message()));
  const before = JSON.stringify(state);
  receive(state, message({ first: 3, timesteps: [400], norms: [[1]] }));
  assert.equal(JSON.stringify(state), before);
});

test("the transition in words", () => {
  assert.equal(describe(run()), "CFG from step 2, t = 600");
  assert.equal(describe(run({ norms: [[3], [2], [1]] })), "CFG from step 2, t = 600 (deadline)");
  assert.equal(describe(run({ transition: "static", norms: [[3], [2], [1]] })), "CFG from step 2, t = 600");
  assert.equal(describe(run({ transition: "off", transition_step: [-1] })), "plain CFG");
  assert.equal(describe(run({ transition_step: [-1] })), "before the transition");
  assert.equal(describe(run({ transition_step: [-1], ended: true })), "no transition");
  assert.equal(describe(run({ transition_step: [0], gated: [true] })), "not memorized: plain CFG");
  const many = { norms: [[3, 3, 3], [2, 2, 2], [4, 4, 4]] };
  assert.equal(
    describe(run({ ...many, transition_step: [1, 2, -1], gated: [false, false, false] })),
    "CFG from steps 1 to 2 in 2 of 3; 1 before the transition",
  );
  assert.equal(
    describe(run({ ...many, transition_step: [0, 0, 2], gated: [true, true, false] })),
    "CFG from step 2, t = 600; 2 not memorized: plain CFG",
  );
});

test("a minimum is strict and needs three observations", () => {
  assert.equal(atMinimum(run(), 0, 2), true);
  assert.equal(atMinimum(run(), 0, 1), false);
  assert.equal(atMinimum(run({ norms: [[2], [2], [4]] }), 0, 2), false);
});

test("the mean leaves gaps out", () => {
  assert.deepEqual(mean(run({ norms: [[1, 3], [null, 5], [null, null]], gated: [false, false] })), [2, 5, null]);
});

test("the share of images before their transition", () => {
  assert.deepEqual(waitingShare(run({ transition_step: [1, -1] })), [1, 0.5, 0.5]);
  assert.deepEqual(waitingShare(run({ transition: "off", transition_step: [-1] })), [0, 0, 0]);
});

test("the axis goes from 1000 on the left to 0 on the right, from the largest norm to 0", () => {
  const scale = scales(receive(EMPTY, message()), 246, 136);
  assert.deepEqual([scale.x(1000), scale.x(500), scale.x(0)], [38, 138, 238]);
  assert.equal(scale.y(0), 120);
  assert.equal(scale.y(scale.most), 20);
  assert.equal(scale.timestep(138), 500);
  assert.equal(nearestStep(run(), 690), 2);
  assert.equal(nearestStep(run({ timesteps: [], norms: [] }), 690), -1);
});

/** A context that writes down what is drawn. */
function recorder() {
  const calls = [];
  const record = (target, name) => {
    if (name === "measureText") return (text) => ({ width: 6 * text.length });
    return (...args) => calls.push([name, ...args]);
  };
  return { calls, context: new Proxy({}, { get: record, set: () => true }) };
}

test("every observation is a point of a line, a skipped pass a gap, a transition a dot", () => {
  const state = receive(EMPTY, message({ timesteps: [1000, 800, 600, 400], norms: [[null], [2], [4], [1]] }));
  const { calls, context } = recorder();
  draw(context, state, 246, 136, { ink: "#fff", faint: "#999", shade: "#f80" }, true);
  const points = calls.filter(([name]) => name === "moveTo" || name === "lineTo");
  assert.deepEqual(points.map(([name, x]) => [name, x]), [["moveTo", 78], ["lineTo", 118], ["lineTo", 158]]);
  assert.deepEqual(calls.filter(([name]) => name === "arc").map(([, x]) => x), [118]);
  assert.ok(calls.flat().every((value) => typeof value !== "number" || Number.isFinite(value)));
});

test("an empty state, a run of gaps and a run of zeros can be drawn", () => {
  for (const state of [EMPTY, receive(EMPTY, message({ norms: [[null], [null], [null]] })), receive(EMPTY, message({ norms: [[0], [0], [0]] }))]) {
    const { calls, context } = recorder();
    draw(context, state, 246, 136, { ink: "#fff", faint: "#999", shade: "#f80" }, false, 100);
    assert.ok(calls.flat().every((value) => typeof value !== "number" || Number.isFinite(value)));
  }
});
