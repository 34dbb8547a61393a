/** The pack in the page: the widgets that matter, the curve on the nodes that sample, and the switch. */

import { queueBoth, toggle } from "./commands.js";
import { Memory } from "./curve/memory.js";
import { learn } from "./definitions.js";
import { CURVE_HEIGHT, LIVE_CURVE, adopt, fitCurves, forgetNotes, noteCached, update } from "./nodes.js";
import { api, app, definitions, nameOf, renamed, setMark, switches, workflowName } from "./page.js";
import { say, speak } from "./words.js";

/** So often the page looks at its nodes: what feeds a widget, a zoom and a tab tell nobody of their change. */
const MILLISECONDS = 250;

const memory = new Memory(sessionStorage);
const sync = () => update(memory);

function look() {
  const names = renamed();
  if (names) memory.moved(...names);
  sync();
}

/** Know which workflow the next prompt comes from. Returns the mark that the prompt is to carry. */
function announce(label) {
  const mark = crypto.randomUUID?.() ?? `${Date.now()} ${Math.random()}`; // over plain http there is no crypto
  memory.queued(mark, workflowName(), label);
  return mark;
}

/** The page calls these of every widget before it makes a prompt of the graph, and after the server took it. */
const queueing = {
  beforeQueued(node) {
    if (switches()[0]?.node === node) setMark(announce());
  },
  afterQueued: () => setMark(null),
};

const both = () => queueBoth(announce);

function listen() {
  api.addEventListener("basin_escape.curve", ({ detail }) => {
    memory.receive(detail, nameOf);
    sync();
  });
  api.addEventListener("execution_start", forgetNotes);
  api.addEventListener("execution_success", () => {
    noteCached(memory);
    sync();
  });
  for (const end of ["execution_interrupted", "execution_error"]) {
    api.addEventListener(end, ({ detail }) => {
      memory.interrupted(detail.prompt_id);
      sync();
    });
  }
}

/** The entries of a node's right-click menu. */
function addMenu(nodeType) {
  const { getExtraMenuOptions } = nodeType.prototype;
  nodeType.prototype.getExtraMenuOptions = function (canvas, options) {
    const result = getExtraMenuOptions?.apply(this, arguments);
    const mine = () => switches().filter(({ node }) => node === this).slice(0, 1);
    options.push({ content: say("Basin Escape: toggle mitigation"), callback: () => toggle(mine()) });
    options.push({ content: say("Basin Escape: queue with and without"), callback: both });
    return result;
  };
}

/** The page has the translations of its own texts only. */
async function learnLanguages() {
  const response = await api.fetchApi("/i18n");
  const texts = response.ok ? await response.json() : {};
  const ours = Object.entries(texts).map(([language, { basinEscape }]) => [language, basinEscape]);
  speak(Object.fromEntries(ours), () => app.extensionManager.setting.get("Comfy.Locale"));
}

app.registerExtension({
  name: "BasinEscape",
  commands: [
    { id: "BasinEscape.ToggleMitigation", label: "Basin Escape: toggle mitigation", function: () => toggle() },
    { id: "BasinEscape.QueueBoth", label: "Basin Escape: queue with and without", function: both },
  ],
  settings: [
    {
      id: LIVE_CURVE,
      name: "Draw the guidance-norm curve on the nodes",
      tooltip: "Basin Escape nodes show how strongly the prompt pulls while the image forms.",
      category: ["Basin Escape", "Curve", "LiveCurve"],
      type: "boolean",
      defaultValue: true,
      onChange: (shown) => fitCurves({ shown }),
    },
    {
      id: CURVE_HEIGHT,
      name: "Height of the curve in pixels",
      tooltip: "The least height; the curve grows with its node.",
      category: ["Basin Escape", "Curve", "CurveHeight"],
      type: "slider",
      attrs: { min: 80, max: 400, step: 10 },
      defaultValue: 170,
      onChange: (height) => fitCurves({ height }),
    },
  ],
  // Alt and a letter is a character on macOS.
  keybindings: [
    { commandId: "BasinEscape.ToggleMitigation", combo: { key: "e", shift: true } },
    { commandId: "BasinEscape.ToggleMitigation", combo: { key: "e", alt: true, shift: true } },
  ],
  menuCommands: [{ path: ["Extensions"], commands: ["BasinEscape.ToggleMitigation", "BasinEscape.QueueBoth"] }],
  beforeRegisterNodeDef(nodeType, definition) {
    const learned = learn(definition);
    if (!learned) return;
    definitions.set(definition.name, learned);
    if (learned.off !== undefined) addMenu(nodeType);
  },
  async setup() {
    listen();
    setInterval(look, MILLISECONDS);
    await learnLanguages();
  },
  nodeCreated(node) {
    adopt(node, sync, queueing);
  },
});
