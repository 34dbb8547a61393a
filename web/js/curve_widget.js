/** The live curve as a widget of a node, in the classic canvas and in Nodes 2.0. */

import { EMPTY, describe, receive } from "./curve.js";
import { HEADER, draw, drawHeader } from "./drawing.js";

export class Curve {
  /** settings: { shown, height }, the least height in CSS pixels. */
  constructor(node, settings) {
    this.state = EMPTY;
    this.hover = null;
    this.on = true;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.style.cssText = "width: 100%; height: 100%; display: block";
    this.element = document.createElement("div");
    this.element.className = "basin-escape-curve";
    this.element.style.cssText = "width: 100%; height: 100%; overflow: hidden";
    this.element.append(this.canvas);
    this.fit(settings);
    const widget = node.addDOMWidget("guidance_curve", "basin_escape_curve", this.element, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: () => this.least,
      getMaxHeight: () => (this.shown ? Infinity : HEADER),
    });
    widget.serialize = false; // nothing of it is stored in the workflow
    const leave = this.listen();
    const removed = node.onRemoved;
    node.onRemoved = function () {
      leave();
      return removed?.apply(this, arguments);
    };
  }

  /** Returns what ends it: the page may keep a removed node for long. */
  listen() {
    const listening = new AbortController();
    let resized = new ResizeObserver(() => this.paint());
    resized.observe(this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(event.offsetX), { signal: listening.signal });
    this.canvas.addEventListener("pointerleave", () => this.point(null), { signal: listening.signal });
    return () => {
      listening.abort();
      resized?.disconnect();
      resized = null;
    };
  }

  /** Without the curve, the line of words and the badge stay. */
  fit({ shown, height }) {
    this.shown = shown;
    this.least = shown ? height : HEADER;
    this.element.style.minHeight = `${this.least}px`;
    this.element.style.maxHeight = shown ? "" : `${HEADER}px`;
    this.paint();
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
    const zoom = this.canvas.getBoundingClientRect().width / width; // of the graph
    const ratio = (window.devicePixelRatio || 1) * Math.max(zoom, 1);
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    if (this.shown) draw(context, this.state, width, height, theme(), this.on, this.hover);
    else drawHeader(context, this.state, width, theme(), this.on);
  }
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return { ink: colour("--input-text", "#ddd"), faint: colour("--descrip-text", "#999"), shade: "#d9822b" };
}
