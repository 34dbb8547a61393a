"""What Detect Memorization shows and remembers, and what Basin Escape (set for me) makes of it."""

from .conftest import load, node, run

ORDINARY = "red circle\nblue square\ngreen ring"


def test_a_threshold_that_was_calibrated_is_that_of_the_model_from_then_on(server):
    prompt = load("testbed_detect", server)
    detect, loader = node(prompt, "DetectMemorization"), node(prompt, "LoadMemorizationTestbed")
    before = (
        detect,
        loader,
        *(key for key, entry in prompt.items() if entry["class_type"].startswith(("CLIP", "Empty"))),
    )
    prompt = {key: prompt[key] for key in before}
    prompt["set"] = {
        "class_type": "BasinEscapeForModel",
        "inputs": {"model": [loader, 0], "transition": "for this model"},
    }
    prompt["shown"] = {"class_type": "PreviewAny", "inputs": {"source": ["set", 2]}}
    said = {}

    def says(**inputs):
        """What both nodes say now: the page keeps the text of a node that does not run anew."""
        prompt[detect]["inputs"].update(inputs)
        for _ in range(2):  # the setting may have been looked up before the threshold was kept
            messages, _, _ = run(server, prompt)
            said.update({e["data"]["node"]: e["data"]["text"] for e in messages if e["type"] == "text"})
        return said[detect], said["set"]

    report, setting = says(remember="no", ordinary_prompts=ORDINARY, clip=[loader, 1])
    assert "99th percentile" in report and "no threshold" in setting
    report, setting = says(remember="yes")
    assert "now remembered for LoadMemorizationTestbed" in report
    assert "plain CFG below" in setting and "remembered for LoadMemorizationTestbed" in setting
    report, setting = says(ordinary_prompts="")
    assert "RMS" in report and ", remembered for LoadMemorizationTestbed" in report and "plain CFG below" in setting
    report, setting = says(remember="delete")
    assert "the widget's" in report and "no threshold" in setting
