/** The live curve as a widget of a node, in the classic canvas and in Nodes 2.0. */

import { EMPTY, describe, receive } from "./curve.js";
import { draw } from "./drawing.js";

const LEAST_HEIGHT = 120;

export class Curve {
  constructor(node) {
    this.state = EMPTY;
    this.hover = null;
    this.on = true;
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
    const resized = this.resized;
    const removed = node.onRemoved;
    node.onRemoved = function () {
      resized.disconnect();
      return removed?.apply(this, arguments);
    };
  }

  /** Whether its node mitigates, for the badge. */
  mark(on) {
    this.on = on;
    this.paint();
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
    this.canvas.dataset.badge = this.on ? "on" : "off";
    if (!width || !height) return;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    draw(context, this.state, width, height, theme(), this.on, this.hover);
  }
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return { ink: colour("--input-text", "#ddd"), faint: colour("--descrip-text", "#999"), shade: "#d9822b" };
}
