"""`make bench-curve`: what drawing the live curve costs the page per message, in headless Chromium.

Sixteen samples and fifty steps, one message a step, as if each step took long enough for a message of its own. The
canvas is 340 x 200 CSS pixels at the device pixel ratio 2.
"""

import os
import shutil

from playwright.sync_api import sync_playwright

from ...tools.pack import ROOT

BATCH, STEPS, ROUNDS = 16, 50, 20
MEASURE = """async ([batch, steps, rounds]) => {
    const { EMPTY, receive } = await import("http://pack/js/curve/state.js");
    const { draw } = await import("http://pack/js/curve/drawing.js");
    const canvas = document.body.appendChild(document.createElement("canvas"));
    [canvas.width, canvas.height] = [680, 400];
    const context = canvas.getContext("2d");
    context.scale(2, 2);
    const colours = { ink: "#ddd", faint: "#999", shade: "#d9822b", paper: "#222" };
    const milliseconds = [];
    let state = EMPTY;
    for (let step = 0; step < rounds * steps; step++) {
        const first = step % steps;
        const norms = Array.from({ length: batch }, (_, k) => 0.01 + k / 1000);
        const message = {
            prompt_id: "prompt", run: String(step - first), node: "1", first, timesteps: [1000 - 20 * first],
            series: { guidance_norm: [norms] }, threshold: 0.012, mitigates: true,
            transition_step: Array.from({ length: batch }, (_, k) => (k < first ? k : -1)),
            reasons: Array(batch).fill(null), gated: Array(batch).fill(false), words: "", status: null,
            ended: first === steps - 1, interrupted: false,
        };
        const started = performance.now();
        state = receive(state, message);
        draw(context, state, 340, 200, colours, 170);
        context.getImageData(0, 0, 1, 1);  // wait until it is drawn
        milliseconds.push(performance.now() - started);
    }
    return milliseconds;
}"""


def serve(route):
    path = ROOT / "web" / route.request.url.removeprefix("http://pack/")
    route.fulfill(body=path.read_text(encoding="utf-8"), content_type="text/javascript")


def main() -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", shutil.which("chromium")))
        page = browser.new_page()
        page.route("http://pack/js/**", serve)
        page.route("http://pack/", lambda route: route.fulfill(body="", content_type="text/html"))
        page.goto("http://pack/")
        times = sorted(page.evaluate(MEASURE, [BATCH, STEPS, ROUNDS]))
        browser.close()
    print(f"{BATCH} samples, {STEPS} steps, {len(times)} messages: median {times[len(times) // 2]:.2f} ms, ", end="")
    print(f"99 of 100 below {times[len(times) * 99 // 100]:.2f} ms")
