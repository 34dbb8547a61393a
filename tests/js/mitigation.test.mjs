/** The logic of widgets and switch, under Node's own test runner. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { idleWidgets, switched } from "../../web/js/mitigation.js";

test("only the widgets that matter are left", () => {
  assert.deepEqual(idleWidgets("dynamic", "zero guidance"), ["static_percent", "opposite_scale"]);
  assert.deepEqual(idleWidgets("dynamic", "opposite guidance"), ["static_percent"]);
  assert.deepEqual(idleWidgets("escape", "zero guidance"), ["static_percent", "opposite_scale"]);
  assert.deepEqual(idleWidgets("static", "opposite guidance"), ["latest_percent"]);
  assert.deepEqual(idleWidgets("static", "conditional only"), ["latest_percent", "opposite_scale"]);
  assert.deepEqual(idleWidgets("off", "opposite guidance"), ["static_percent", "latest_percent", "opposite_scale"]);
});

test("the switch turns all off, and back to what each was", () => {
  const off = switched([{ transition: "dynamic" }, { transition: "static" }, { transition: "off", before: "static" }]);
  assert.deepEqual(off.map(({ transition }) => transition), ["off", "off", "off"]);
  assert.deepEqual(switched(off).map(({ transition }) => transition), ["dynamic", "static", "static"]);
});

test("a node that was never on goes to dynamic", () => {
  assert.deepEqual(switched([{ transition: "off" }]), [{ transition: "dynamic", before: undefined }]);
});

test("no nodes, no switch", () => {
  assert.deepEqual(switched([]), []);
});
