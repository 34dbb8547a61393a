/** Texts in the language of the page, under Node's own test runner. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { say, sayAll, speak } from "../../web/js/words.js";

test("numbers stay, words are translated, and what has no translation is left as it is", () => {
  speak({ de: { "CFG began at steps #-# (# of # images)": "CFG ab Schritt #-# (# von # Bildern)" } }, () => "de");
  assert.equal(say("CFG began at steps 12-17 (4 of 4 images)"), "CFG ab Schritt 12-17 (4 von 4 Bildern)");
  assert.equal(sayAll("CFG began at steps 1-2 (3 of 4 images); other 0.5"), "CFG ab Schritt 1-2 (3 von 4 Bildern); other 0.5");
  speak({}, () => "fr");
  assert.equal(say("held back"), "held back");
});

test("sentences are looked up without their dots, numbers that belong to them among the others", () => {
  const key = "in # of # calls cfg # Set it to off";
  speak({ de: { [key]: "bei # von # ist cfg #. Ausschalten." } }, () => "de");
  assert.equal(say("in 3 of 50 calls cfg 1.5. Set it to off."), "bei 3 von 50 ist cfg 1.5. Ausschalten.");
});
