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
