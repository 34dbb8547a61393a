/** Where a widget's value comes from, under Node's own test runner. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { absence, allNodes, source } from "../../web/js/graph.js";

/** A graph of nodes { id, type, widgets: {name: value}, inputs: {name: [origin id, origin slot]} }. */
function graphOf(nodes) {
  const links = {};
  const graph = { links, nodes: [], getNodeById: (id) => graph.nodes.find((node) => node.id === id) };
  for (const { widgets = {}, inputs = {}, ...rest } of nodes) {
    graph.nodes.push({
      ...rest,
      graph,
      widgets: Object.entries(widgets).map(([name, value]) => ({ name, value })),
      inputs: Object.entries(inputs).map(([name, from]) => {
        const id = Object.keys(links).length + 1;
        if (from) links[id] = { origin_id: from[0], origin_slot: from[1] };
        return { name, widget: { name }, link: from ? id : null };
      }),
    });
  }
  return graph;
}

const ours = (inputs) => ({ id: 1, type: "Ours", widgets: { transition: "dynamic" }, inputs });
const found = (graph, id) => {
  const { node, widget } = source(allNodes(graph).find((entry) => entry.id === id), "transition");
  return [node?.id, widget && widget.value];
};

test("a widget that nothing is connected to has its own value", () => {
  assert.deepEqual(found(graphOf([ours({ transition: null })]), "1"), [1, "dynamic"]);
});

test("a primitive has the value, also behind a reroute", () => {
  const primitive = { id: 2, type: "PrimitiveNode", widgets: { transition: "off", control_after_generate: "fixed" } };
  assert.deepEqual(found(graphOf([ours({ transition: [2, 0] }), primitive]), "1"), [2, "off"]);
  const reroute = { id: 3, type: "Reroute", inputs: { "": [2, 0] } };
  assert.deepEqual(found(graphOf([ours({ transition: [3, 0] }), primitive, reroute]), "1"), [2, "off"]);
});

test("what a node computes is not known", () => {
  const chooser = { id: 2, type: "Chooser", widgets: { seed: 5 } };
  assert.deepEqual(found(graphOf([ours({ transition: [2, 0] }), chooser]), "1"), [2, null]);
  const primitive = { id: 3, type: "PrimitiveString", widgets: { value: "off" }, inputs: { value: [2, 0] } };
  assert.deepEqual(found(graphOf([ours({ transition: [3, 0] }), chooser, primitive]), "1"), [3, null]);
  assert.deepEqual(found(graphOf([ours({ transition: [9, 0] })]), "1"), [undefined, null]);
});

test("a subgraph has the value that is promoted, or what is connected to it from outside", () => {
  const inside = () => graphOf([ours({ transition: [-10, 1] })]);
  const box = (inputs) => ({ id: 5, type: "uuid", subgraph: inside(), widgets: { text: "", choice: "static" }, inputs });
  assert.deepEqual(found(graphOf([box({ text: null, choice: null })]), "5:1"), [5, "static"]);
  const written = box({ text: null, choice: null });
  written.subgraph.links[1].origin_id = "-10";
  assert.deepEqual(found(graphOf([written]), "5:1"), [5, "static"]);
  const primitive = { id: 6, type: "PrimitiveString", widgets: { value: "off" } };
  assert.deepEqual(found(graphOf([box({ text: null, choice: [6, 0] }), primitive]), "5:1"), [6, "off"]);
});

test("a node takes no part where it or what it is in is muted or bypassed", () => {
  const box = { id: 5, type: "uuid", mode: 4, subgraph: graphOf([ours({})]) };
  const entries = allNodes(graphOf([box, { id: 6, type: "Ours", mode: 2 }, { id: 7, type: "Ours", mode: 0 }]));
  assert.deepEqual(entries.map((entry) => [entry.id, absence(entry)]), [
    ["5", "bypassed"], ["5:1", "bypassed"], ["6", "muted"], ["7", undefined],
  ]);
});
