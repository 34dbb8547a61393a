/** The state, the memory and the drawing of the live curve, under Node's own test runner. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { colourOf } from "../../web/js/curve/colours.js";
import { draw } from "../../web/js/curve/drawing.js";
import { nearestStep, scales, ticks } from "../../web/js/curve/scales.js";
import { EMPTY, interrupt, mean, norms, receive, sentences, waitingShare } from "../../web/js/curve/state.js";

const message = ({ norms, ...change } = {}) => ({
  prompt_id: "p",
  run: "r",
  node: "7",
  first: 0,
  timesteps: [1000, 800, 600],
  series: { guidance_norm: norms ?? [[3], [2], [4]] },
  threshold: null,
  mitigates: true,
  transition_step: [2],
  reasons: ["minimum"],
  gated: [false],
  words: "CFG began at step 2, t = 600",
  status: null,
  ended: false,
  interrupted: false,
  ...change,
});
const run = (change) => receive(EMPTY, message(change)).run;
const COLOURS = { ink: "#fff", faint: "#999", shade: "#f80", paper: "#222" };

test("observations follow one another", () => {
  let state = receive(EMPTY, message({ timesteps: [1000], norms: [[3]], transition_step: [-1] }));
  state = receive(state, message({ first: 1, timesteps: [800, 600], norms: [[2], [4]], ended: true }));
  assert.deepEqual(state.run.timesteps, [1000, 800, 600]);
  assert.deepEqual(norms(state.run), [[3], [2], [4]]);
  assert.deepEqual([state.run.transitionStep, state.run.ended, state.previous], [[2], true, null]);
});

test("a whole message of the same run replaces what there is", () => {
  const state = receive(receive(EMPTY, message()), message({ norms: [[5], [6], [7]] }));
  assert.deepEqual([norms(state.run), state.run.timesteps.length, state.previous], [[[5], [6], [7]], 3, null]);
});

test("a page that comes in the middle of a run waits for all of it", () => {
  assert.equal(receive(EMPTY, message({ first: 7 })), EMPTY);
  const state = receive(EMPTY, message());
  assert.equal(receive(state, message({ first: 9 })), state);
  assert.equal(receive(state, message({ run: "s", first: 3 })), state);
});

test("a new run keeps the last one to compare with", () => {
  const first = receive(EMPTY, message({ ended: true }), "without");
  const second = receive(first, message({ run: "s", timesteps: [1000], norms: [[1]] }));
  assert.equal(second.previous, first.run);
  assert.equal(second.previous.label, "without");
  assert.equal(receive(second, message({ run: "s", first: 1, timesteps: [], norms: [] })).previous, first.run);
});

test("an interrupted run is not kept to compare with", () => {
  const first = receive(EMPTY, message({ ended: true }));
  for (const change of [{ ended: true, interrupted: true }, { ended: false }]) {
    const second = receive(first, message({ run: "s", ...change }));
    assert.equal(receive(second, message({ run: "t" })).previous, first.run);
  }
});

test("a run whose prompt was interrupted goes on no more", () => {
  const state = receive(EMPTY, message({ words: "still held back" }));
  assert.equal(interrupt(state, "another"), state);
  const over = interrupt(state, "p");
  assert.deepEqual(sentences(over.run), [
    { kind: "interrupted", text: "interrupted: there is no picture of this run." },
  ]);
  assert.equal(over.run.interrupted && over.run.ended, true);
  const ended = receive(EMPTY, message({ ended: true }));
  assert.equal(interrupt(ended, "p"), ended);
});

test("a state that was handed in is not changed", () => {
  const state = Object.freeze(receive(EMPTY, message()));
  const before = JSON.stringify(state);
  receive(state, message({ first: 3, timesteps: [400], norms: [[1]] }));
  assert.equal(JSON.stringify(state), before);
});

test("the status comes before the words", () => {
  const status = { kind: "protecting", sentences: ["protecting: x.", "2 of 4 not memorized: plain CFG."] };
  assert.deepEqual(sentences(run({ status })).map(({ text }) => text), [...status.sentences, "CFG began at step 2, t = 600"]);
});

test("words that the status has said are not said again", () => {
  const status = { kind: "off", sentences: ["off: plain CFG."] };
  assert.deepEqual(sentences(run({ status, words: "plain CFG" })), [{ kind: "off", text: "off: plain CFG." }]);
});

test("a run without an observation has a status, and is not compared with", () => {
  const nothing = { timesteps: [], norms: [], transition_step: [], reasons: [], gated: [], words: "", ended: true };
  const state = receive(EMPTY, message({ ...nothing, status: { kind: "no effect", sentences: ["no effect: denoise 0."] } }));
  assert.equal(sentences(state.run)[0].kind, "no effect");
  assert.equal(receive(state, message({ run: "s" })).previous, null);
  drawn(state, 100);
});

test("the mean leaves gaps out", () => {
  assert.deepEqual(mean([[1, 3], [null, 5], [null, null]]), [2, 5, null]);
});

test("the share of images that are held back", () => {
  assert.deepEqual(waitingShare(run({ transition_step: [1, -1] })), [1, 0.5, 0.5]);
  assert.deepEqual(waitingShare(run({ mitigates: false, transition_step: [-1] })), [0, 0, 0]);
});

test("the axis goes from 1000 on the left to 0 on the right, from the largest norm to 0", () => {
  const scale = scales(receive(EMPTY, message()), 258, 137);
  assert.deepEqual([scale.x(1000), scale.x(500), scale.x(0)], [50, 150, 250]);
  assert.deepEqual([scale.y(0), scale.y(scale.most)], [110, 17]);
  assert.equal(scale.timestep(150), 500);
  assert.equal(nearestStep(run(), 690), 2);
  assert.equal(nearestStep(run({ timesteps: [], norms: [] }), 690), -1);
});

test("the levels are round numbers from which a threshold can be read", () => {
  assert.deepEqual(ticks(0.0311, 4).map(({ text }) => text), ["0.00", "0.01", "0.02", "0.03"]);
  assert.deepEqual(ticks(0.0129, 6).map(({ text }) => text), ["0.000", "0.005", "0.010"]);
  assert.deepEqual(ticks(4.2, 3).map(({ text }) => text), ["0", "2", "4"]);
  assert.deepEqual(ticks(1, 1).map(({ text }) => text), ["0", "1"]);
  for (const most of [1e-7, 0.03, 1, 12345]) assert.ok(ticks(most, 5).length <= 6 && ticks(most, 5).length > 2);
});

test("colours are those of the plot", () => {
  assert.deepEqual([0, 1, 9].map((sample) => colourOf(sample, 10)), ["#1f77b4", "#ff7f0e", "#17becf"]);
  assert.equal(new Set(Array.from({ length: 16 }, (_, k) => colourOf(k, 16))).size, 16);
  assert.match(colourOf(15, 16), /^rgb\(\d+ \d+ \d+\)$/);
});

/** A context that writes down what is drawn. */
function recorder() {
  const calls = [];
  const record = (target, name) => {
    if (name === "measureText") return (text) => ({ width: 6 * text.length });
    return (...args) => calls.push([name, ...args]);
  };
  const set = (target, name, value) => calls.push([`set ${name}`, value]);
  return { calls, context: new Proxy({}, { get: record, set }) };
}

const drawn = (state, hover = null, width = 358, height = 137) => {
  const { calls, context } = recorder();
  draw(context, state, width, height, COLOURS, hover);
  assert.ok(calls.flat().every((value) => typeof value !== "number" || Number.isFinite(value)));
  return { calls, texts: calls.filter(([name]) => name === "fillText").map(([, text]) => text) };
};

test("every observation is a point of a line, a skipped pass a gap, a transition a dot", () => {
  const state = receive(EMPTY, message({ timesteps: [1000, 800, 600, 400], norms: [[null], [2], [4], [1]] }));
  const { calls } = drawn(state);
  const first = calls.findIndex(([name, value]) => name === "set lineWidth" && value === 1.6);
  const points = calls.slice(first).filter(([name]) => name === "moveTo" || name === "lineTo");
  assert.deepEqual(points.map(([name, x]) => [name, Math.round(x)]), [["moveTo", 110], ["lineTo", 170], ["lineTo", 230]]);
  assert.ok(calls.some(([name, x, , radius]) => name === "arc" && Math.round(x) === 170 && radius === 3.5));
});

test("the deadline's dot is hollow, by the reason that the server gave", () => {
  const marks = (reasons) => drawn(receive(EMPTY, message({ reasons }))).calls.filter(([name]) => name === "fill").length;
  assert.equal(marks(["minimum"]) - marks(["deadline"]), 1);
});

test("axes are named, marks explained, the gate has its value", () => {
  const before = receive(EMPTY, message({ ended: true }), "without");
  const state = receive(before, message({ run: "s", threshold: 1.5, gated: [false, false], transition_step: [2, 1], norms: [[3, 3], [2, 2], [4, 4]], reasons: ["minimum", "minimum"] }));
  const { texts } = drawn(state);
  for (const text of ["noise -> image", "pull of the prompt", "images", "CFG began", "held back", "without", "memorized above 1.5"]) {
    assert.ok(texts.includes(text), text);
  }
  assert.ok(drawn(receive(EMPTY, message({ threshold: 9 }))).texts.includes("memorized above 9 ^"));
});

test("a low curve leaves legend and names out", () => {
  const { texts } = drawn(receive(EMPTY, message()), null, 358, 70);
  assert.ok(!texts.includes("CFG began") && texts.includes("1000"));
});

test("the values below the pointer have the colours of their images", () => {
  const state = receive(EMPTY, message({ norms: [[3, 1], [2, 1], [4, 2]], gated: [false, false], transition_step: [2, 2], reasons: ["minimum", null] }));
  const { calls } = drawn(state, 170);
  const at = (text) => calls.findLastIndex(([name, value]) => name === "fillText" && value === text);
  assert.deepEqual(calls[at("4.00") - 1], ["set fillStyle", "#1f77b4"]);
  assert.deepEqual(calls[at("2.00") - 1], ["set fillStyle", "#ff7f0e"]);
  assert.ok(at("step 2, t = 600") > 0 && at("mean 3.00") > 0);
});

test("what is left of the first pull is drawn beside the norm", () => {
  const series = { guidance_norm: [[3], [2], [4]], first_pull: [[1], [0.5], [0]] };
  const { calls, texts } = drawn(receive(EMPTY, message({ series })));
  assert.ok(texts.includes("pull left (0-1)"));
  const height = (share) => 110 - share * 93;
  for (const share of [1, 0.5, 0]) assert.ok(calls.some(([name, , y]) => /To$/.test(name) && Math.abs(y - height(share)) < 1e-9));
});

test("an empty state, a run of gaps and a run of zeros can be drawn", () => {
  const runs = [[[null], [null], [null]], [[0], [0], [0]]].map((norms) => receive(EMPTY, message({ norms })));
  for (const state of [EMPTY, ...runs]) drawn(state, 100);
});
