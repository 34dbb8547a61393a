/** The live guidance-norm curve on the three nodes that sample. */

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { EMPTY, describe, draw, receive } from "./curve.js";

const NODES = new Set(["BasinEscapeModelPatch", "BasinEscapeGuider", "BasinEscapeKSampler"]);
const LEAST_HEIGHT = 120;

/** What each node in the page shows; it goes with its node. */
const curves = new WeakMap();

class Curve {
  constructor(node) {
    this.state = EMPTY;
    this.hover = null;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.style.cssText = "width: 100%; height: 100%; display: block";
    this.element = document.createElement("div");
    this.element.className = "basin-escape-curve";
    this.element.style.cssText = `width: 100%; height: 100%; min-height: ${LEAST_HEIGHT}px; overflow: hidden`;
    this.element.append(this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(event.offsetX));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.resized = new ResizeObserver(() => this.paint());
    this.resized.observe(this.canvas);
    const widget = node.addDOMWidget("guidance_curve", "basin_escape_curve", this.element, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: () => LEAST_HEIGHT,
    });
    widget.serialize = false; // nothing of it is stored in the workflow
    const removed = node.onRemoved;
    node.onRemoved = function () {
      curves.get(this)?.resized.disconnect();
      return removed?.apply(this, arguments);
    };
  }

  receive(message) {
    this.state = receive(this.state, message);
    const { run } = this.state;
    if (run) {
      this.canvas.setAttribute("aria-label", describe(run));
      this.canvas.dataset.steps = run.timesteps.length;
    }
    this.paint();
  }

  point(x) {
    this.hover = x;
    this.paint();
  }

  paint() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    draw(context, this.state, width, height, theme(), this.hover);
  }
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return { ink: colour("--input-text", "#ddd"), faint: colour("--descrip-text", "#999"), shade: "#d9822b" };
}

/** The node of an execution id: "7", or "3:7" for node 7 in the subgraph of node 3. */
function findNode(id) {
  let graph = app.rootGraph ?? app.graph;
  let node = null;
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(Number(part));
    graph = node?.subgraph;
  }
  return node;
}

app.registerExtension({
  name: "BasinEscape",
  setup() {
    api.addEventListener("basin_escape.curve", ({ detail }) => curves.get(findNode(detail.node))?.receive(detail));
  },
  nodeCreated(node) {
    if (NODES.has(node.comfyClass)) curves.set(node, new Curve(node));
  },
  loadedGraphNode(node) {
    // A workflow that was saved without the curve has no room for it.
    const [width, height] = node.size;
    const least = curves.has(node) ? node.computeSize()[1] : 0;
    if (height < least) node.setSize([width, least]);
  },
});
