/** What the page learns from the definitions of nodes, under Node's own test runner. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { idleWidgets, learn, understand } from "../../web/js/definitions.js";

const ON = ["dynamic", "static", "never"];
const PERCENT = [
  { over: 1, to: 100, says: "looks like a percentage", becomes: [0.01, 0] },
  { over: 100, to: 1000, says: "looks like the timestep of the paper", becomes: [-0.001, 1] },
];
const DEFINITION = {
  name: "Any",
  input: {
    required: {
      model: ["MODEL"],
      seed: ["INT", { min: 0, max: 9 }],
      transition: [[...ON, "off"], { default: "dynamic", off: "off" }],
      strength: ["FLOAT", { min: 0, max: 30, shown_when: { transition: ON, before: ["opposite"] } }],
      percent: ["FLOAT", { min: 0, max: 1, shown_when: { transition: ["static"] }, typed: PERCENT }],
    },
    optional: { threshold: ["FLOAT", { min: 0, max: 1, typed: [{ over: 0.2, to: 1000, says: "is much" }] }] },
  },
};

test("a definition tells of the switch, of what depends on it, and of numbers", () => {
  const learned = learn(DEFINITION);
  assert.deepEqual([learned.off, learned.usual], ["off", "dynamic"]);
  assert.deepEqual(Object.keys(learned.shownWhen), ["strength", "percent"]);
  assert.deepEqual(Object.keys(learned.ranges), ["strength", "percent", "threshold"]);
});

test("of other nodes the page has nothing to know", () => {
  assert.equal(learn({ name: "Other", input: { required: { transition: [["a", "b"], {}], model: ["MODEL"] } } }), null);
  assert.equal(learn({ name: "Bare", input: {} }), null);
  assert.equal(learn({ name: "Barer" }), null);
});

test("only the widgets that matter are left", () => {
  const { shownWhen } = learn(DEFINITION);
  assert.deepEqual(idleWidgets(shownWhen, { transition: "static", before: "opposite" }), []);
  assert.deepEqual(idleWidgets(shownWhen, { transition: "static", before: "zero" }), ["strength"]);
  assert.deepEqual(idleWidgets(shownWhen, { transition: "never", before: "opposite" }), ["percent"]);
  assert.deepEqual(idleWidgets(shownWhen, { transition: "off", before: "opposite" }), ["strength", "percent"]);
});

test("where a choice is not known, what depends on it is shown", () => {
  const { shownWhen } = learn(DEFINITION);
  assert.deepEqual(idleWidgets(shownWhen, { transition: undefined, before: "opposite" }), []);
  assert.deepEqual(idleWidgets(shownWhen, {}), []);
});

test("numbers of another unit are understood", () => {
  const { percent, threshold, strength } = learn(DEFINITION).ranges;
  assert.deepEqual(understand(0.4, percent), { value: 0.4, text: undefined });
  assert.deepEqual(understand(500, percent), { value: 0.5, text: "500 looks like the timestep of the paper: set to 0.5" });
  assert.deepEqual(understand(700, percent), { value: 0.3, text: "700 looks like the timestep of the paper: set to 0.3" });
  assert.deepEqual(understand(35, percent), { value: 0.35, text: "35 looks like a percentage: set to 0.35" });
  assert.deepEqual(understand(-1, percent), { value: 0, text: "-1 is out of range: set to 0" });
  assert.deepEqual(understand(5000, percent), { value: 1, text: "5000 is out of range: set to 1" });
  assert.deepEqual(understand(0.5, threshold), { value: 0.5, text: "0.5 is much" });
  assert.deepEqual(understand(6, threshold), { value: 1, text: "6 is much: set to 1" });
  assert.deepEqual(understand(31, strength), { value: 30, text: "31 is out of range: set to 30" });
});
