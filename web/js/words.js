/** Texts of the page in its language. Nothing here touches the page. */

const NUMBER = /\d+(?:\.\d+)?/g;

let tables = {};
let language = () => "en";

/**
 * texts: by language, the translation by the English text, in which every number is a # and no dot is left; current:
 * tells the language.
 */
export function speak(texts, current) {
  [tables, language] = [texts, current];
}

/** A text in the language of the page; its numbers stay. */
export function say(text) {
  const numbers = text.match(NUMBER) ?? [];
  const translation = tables[language()]?.[text.replace(NUMBER, "#").replaceAll(".", "")];
  return translation ? translation.replaceAll("#", () => numbers.shift()) : text;
}

/** What a prompt was labelled. */
export const sayLabel = (label) => ({ with: say("with"), without: say("without") })[label] ?? label;

/** Parts that are set off by `; `, each for itself. */
export const sayAll = (text) => text.split("; ").map(say).join("; ");
