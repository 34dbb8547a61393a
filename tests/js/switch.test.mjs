/** The switch, under Node's own test runner. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { labelled, switched, valueInPrompt, without } from "../../web/js/switch.js";

const node = (transition, before) => ({ transition, before, off: "off", usual: "dynamic" });
const again = (nodes) => switched(nodes.map(({ transition, before }) => node(transition, before)));

test("the switch turns all off, and back to what each was", () => {
  const off = switched([node("dynamic"), node("static"), node("off", "static")]);
  assert.deepEqual(off.map(({ transition }) => transition), ["off", "off", "off"]);
  assert.deepEqual(again(off).map(({ transition }) => transition), ["dynamic", "static", "static"]);
});

test("a node that was never on goes to the usual choice", () => {
  assert.deepEqual(switched([node("off")]), [{ transition: "dynamic", before: undefined }]);
});

test("no nodes, no switch", () => {
  assert.deepEqual(switched([]), []);
});

const OUTPUT = {
  1: { class_type: "PrimitiveString", inputs: { value: "dynamic" } },
  2: { class_type: "Chooser", inputs: { seed: 1 } },
  3: { class_type: "Ours", inputs: { transition: ["1", 0], cfg: 7 } },
  4: { class_type: "Ours", inputs: { transition: ["2", 0] } },
  5: { class_type: "Ours", inputs: { transition: "off" } },
  6: { class_type: "SaveImage", inputs: { filename_prefix: "a/b" } },
};

test("the value in a prompt is looked up through primitives", () => {
  assert.deepEqual([3, 4, 5].map((id) => valueInPrompt(OUTPUT, id, "transition")), ["dynamic", undefined, "off"]);
});

test("without mitigation a prompt differs in that alone, also where something was connected", () => {
  const before = JSON.stringify(OUTPUT);
  const off = without(OUTPUT, [{ id: "3", off: "off" }, { id: "4", off: "off" }]);
  assert.deepEqual(off[3].inputs, { transition: "off", cfg: 7 });
  assert.deepEqual(off[4].inputs, { transition: "off" });
  assert.deepEqual([off[1], off[5]], [OUTPUT[1], OUTPUT[5]]);
  assert.equal(JSON.stringify(OUTPUT), before);
});

test("files are labelled", () => {
  const { 6: save, ...others } = labelled(OUTPUT, "without");
  assert.equal(save.inputs.filename_prefix, "a/b_without");
  assert.deepEqual(others, Object.fromEntries(Object.entries(OUTPUT).slice(0, 5)));
});
