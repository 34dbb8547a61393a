"""Every text that the page shows of the pack is there in every language, and none that belongs to nothing."""

import json
import re
from collections import defaultdict

import pytest
from basin_escape.benchmarks.measure import NODES
from basin_escape.tools.locales import LOCALES, english, flat

ENGLISH = english()
TRANSLATIONS = sorted(folder.name for folder in LOCALES.iterdir() if folder.name != "en")


def read(language):
    return {file: json.loads((LOCALES / language / file).read_text(encoding="utf-8")) for file in ENGLISH}


def pairs(language):
    """(path, English text, translation)."""
    translation = flat(read(language))
    return [(path, text, translation[path]) for path, text in flat(ENGLISH).items()]


def test_there_are_translations():
    assert TRANSLATIONS == ["de", "zh"]
    assert len(flat(ENGLISH)) > 100


def test_the_english_files_are_what_nodes_and_page_say():
    assert read("en") == ENGLISH, "run `make locales`"


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_every_text_is_translated_and_nothing_else(language):
    assert flat(read(language)).keys() == flat(ENGLISH).keys()
    assert all(text.strip() for text in flat(read(language)).values())
    assert {path.name for path in (LOCALES / language).iterdir()} == set(ENGLISH)


@pytest.mark.parametrize("language", ["en", *TRANSLATIONS])
def test_no_text_holds_what_the_page_takes_for_syntax(language):
    """vue-i18n's messages: interpolation, linked messages, plural forms."""
    for path, text in flat(read(language)).items():
        assert not re.search(r"[{}@|]", text), path
        assert not any("." in key for key in path if not key.endswith(".json")), path


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_the_same_tooltip_is_translated_in_the_same_way(language):
    translations = defaultdict(set)
    for path, text, translation in pairs(language):
        if path[-1] == "tooltip":
            translations[text].add(translation)
    assert [found for found in translations.values() if len(found) > 1] == []


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_a_translation_has_the_numbers_of_its_text(language):
    """So that it is not forgotten when a fact changes. A # stands for the numbers of a run, in their order."""
    numbers = re.compile(r"\d+(?:\.\d+)?|#")
    for path, text, translation in pairs(language):
        assert sorted(numbers.findall(text)) == sorted(numbers.findall(translation)), path


@pytest.mark.parametrize("language", TRANSLATIONS)
def test_tooltips_name_the_choices_as_the_page_shows_them(language):
    """It cannot show translations of them."""
    named = 0
    for key, node in NODES.items():
        groups = node.INPUT_TYPES()
        for widget, (kind, options) in {**groups["required"], **groups.get("optional", {})}.items():
            translation = read(language)["nodeDefs.json"][key]["inputs"][widget]["tooltip"]
            for choice in kind if isinstance(kind, list) else []:
                if re.search(rf"\b{re.escape(choice)}\b", options["tooltip"]):
                    named += 1
                    assert choice in translation, (key, widget)
    assert named > 30
