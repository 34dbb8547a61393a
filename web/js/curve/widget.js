/** The live curve as a widget of a node, in the classic canvas and in Nodes 2.0. */

import { draw } from "./drawing.js";
import { Header } from "./header.js";
import { EMPTY } from "./state.js";

/** Height of the words and the switch alone. */
const HEADER = 34;

export class Curve {
  /** settings: { shown, height }, the least height in CSS pixels; toggle: what a click on the badge does. */
  constructor(node, settings, toggle) {
    this.state = EMPTY;
    this.hover = null;
    this.header = new Header(toggle);
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.style.cssText = "flex: 1; width: 100%; min-height: 0; display: block";
    this.element = document.createElement("div");
    this.element.className = "basin-escape-curve";
    this.element.style.cssText = "width: 100%; height: 100%; overflow: hidden; display: flex; flex-direction: column";
    this.element.append(this.header.element, this.canvas);
    this.fit(settings);
    this.widget = node.addDOMWidget("guidance_curve", "basin_escape_curve", this.element, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: () => this.least,
      getMaxHeight: () => (this.shown ? Infinity : HEADER),
    });
    this.widget.serialize = false; // nothing of it is stored in the workflow
    this.listen(node);
  }

  /** Until the node is removed: the page may keep it for long. */
  listen(node) {
    const listening = new AbortController();
    const { signal } = listening;
    let resized = new ResizeObserver(() => this.paint());
    resized.observe(this.canvas);
    this.canvas.addEventListener("pointermove", (event) => this.point(event.offsetX), { signal });
    this.canvas.addEventListener("pointerleave", () => this.point(null), { signal });
    const removed = node.onRemoved;
    node.onRemoved = (...args) => {
      listening.abort();
      this.header.leave();
      resized?.disconnect();
      resized = null;
      return removed?.apply(node, args);
    };
  }

  /** Without the curve, the words and the switch stay. */
  fit({ shown, height }) {
    this.shown = shown;
    this.least = shown ? height : HEADER;
    this.element.style.minHeight = `${this.least}px`;
    this.element.style.maxHeight = shown ? "" : `${HEADER}px`;
    this.canvas.hidden = !shown;
    this.canvas.style.display = shown ? "block" : "none";
    this.paint();
  }

  /** Show the runs of `state`, and the situation of the node (see Header.show), where anything of them is new. */
  show(state, situation) {
    const same = state === this.state && JSON.stringify(situation) === this.told;
    if (same && (!this.canvas.clientWidth || this.ratio === this.pixels())) return;
    [this.state, this.told] = [state, JSON.stringify(situation)];
    this.canvas.setAttribute("aria-label", this.header.show(state.run, situation));
    this.canvas.dataset.steps = state.run?.timesteps.length ?? 0;
    this.paint();
  }

  point(x) {
    this.hover = x;
    this.paint();
  }

  /** Pixels of the screen for a CSS pixel of the canvas: the graph may be zoomed. */
  pixels() {
    const { clientWidth: width } = this.canvas;
    const zoom = width ? this.canvas.getBoundingClientRect().width / width : 1;
    return Math.round(100 * (window.devicePixelRatio || 1) * Math.min(Math.max(zoom, 1), 4)) / 100;
  }

  paint() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.ratio = this.pixels();
    this.canvas.width = Math.round(width * this.ratio);
    this.canvas.height = Math.round(height * this.ratio);
    const context = this.canvas.getContext("2d");
    context.scale(this.ratio, this.ratio);
    draw(context, this.state, width, height, theme(), this.hover);
  }
}

function theme() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return {
    ink: colour("--input-text", "#ddd"),
    faint: colour("--descrip-text", "#999"),
    paper: colour("--comfy-input-bg", "#222"),
    shade: "#d9822b",
  };
}
