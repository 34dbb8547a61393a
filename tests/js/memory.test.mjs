/** Which curve belongs to which workflow and node, under Node's own test runner. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Memory } from "../../web/js/curve/memory.js";
import { EMPTY } from "../../web/js/curve/state.js";

function storage(room = Infinity) {
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    removeItem: (key) => items.delete(key),
    setItem(key, value) {
      if (value.length > room) throw new Error("QuotaExceededError");
      items.set(key, value);
    },
  };
}

const message = (change) => ({
  prompt_id: "p", mark: "p", workflow: null, run: "r", node: "7", first: 0, timesteps: [1000], series: { guidance_norm: [[3]] }, threshold: null,
  mitigates: true, transition_step: [-1], reasons: [null], gated: [false], words: "", status: null, ended: false,
  interrupted: false, ...change,
});

test("a curve belongs to the workflow that its prompt came from", () => {
  const memory = new Memory(storage());
  memory.queued("p", "one");
  memory.receive(message());
  assert.equal(memory.state("one", "7").run.id, "r");
  assert.equal(memory.state("two", "7"), EMPTY);
  assert.equal(memory.state("one", "8"), EMPTY);
});

test("a prompt without a mark of this page belongs to the open workflow of its id, or to none", () => {
  const memory = new Memory(storage());
  const open = (id) => ({ graph: "one" })[id];
  memory.receive(message({ mark: null, workflow: "graph" }), open);
  memory.receive(message({ mark: "of another page", workflow: "elsewhere", node: "8" }), open);
  memory.receive(message({ mark: null, workflow: "graph", node: "9" }));
  assert.equal(memory.state("one", "7").run.id, "r");
  assert.equal(memory.states.size, 1);
});

test("the mark comes before the workflow's id, which two tabs may share", () => {
  const memory = new Memory(storage());
  memory.queued("p", "one");
  memory.receive(message({ workflow: "graph" }), () => "two");
  assert.deepEqual([memory.state("one", "7").run?.id, memory.state("two", "7")], ["r", EMPTY]);
});

test("a reload keeps what has ended, and whose a running prompt is", () => {
  const kept = storage();
  const memory = new Memory(kept);
  memory.queued("p", "one");
  memory.receive(message({ ended: true }));
  memory.queued("q", "two");
  const again = new Memory(kept);
  assert.equal(again.state("one", "7").run.id, "r");
  again.receive(message({ mark: "q", run: "s" }));
  assert.equal(again.state("two", "7").run.id, "s");
});

test("an interrupted prompt ends its run", () => {
  const memory = new Memory(storage());
  memory.queued("p", "one");
  memory.receive(message());
  memory.interrupted("p");
  assert.equal(memory.state("one", "7").run.status.kind, "interrupted");
});

test("a label is the prompt's", () => {
  const memory = new Memory(storage());
  memory.queued("p", "one", "without");
  memory.receive(message());
  assert.equal(memory.state("one", "7").run.label, "without");
});

test("a renamed workflow takes its curves along", () => {
  const memory = new Memory(storage());
  memory.queued("p", "one");
  memory.receive(message());
  memory.moved("one", "two");
  memory.receive(message({ first: 1 }));
  assert.equal(memory.state("one", "7"), EMPTY);
  assert.equal(memory.state("two", "7").run.timesteps.length, 2);
});

test("the oldest leave, and a full storage harms nobody", () => {
  const memory = new Memory(storage(1000));
  for (let k = 0; k < 100; k++) {
    memory.queued(`p${k}`, `w${k}`);
    memory.receive(message({ mark: `p${k}`, ended: true }));
  }
  assert.equal(memory.state("w99", "7").run.id, "r");
  assert.equal(memory.state("w0", "7"), EMPTY);
});
