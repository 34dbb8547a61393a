"""What the testbed says of a prompt, on ComfyUI's own CLIP Text Encode."""

from .conftest import as_testbed, load, node, run


def texts(server, prompt):
    messages, _, _ = run(server, prompt)
    return [event["data"] for event in messages if event["type"] == "text"]


def test_unknown_words_are_said_on_the_node_that_has_them_until_they_are_gone(server):
    prompt = as_testbed(load("sd15_drop_in", server))
    prompt[node(prompt, "LoadMemorizationTestbed")]["inputs"]["variant"] = "scenes"
    prompt[node(prompt, "EmptyLatentImage")]["inputs"].update(width=256, height=256, batch_size=1)
    positive, negative = (node(prompt, "CLIPTextEncode", index) for index in range(2))
    prompt[negative]["inputs"]["text"] = ""

    def said(text):
        prompt[positive]["inputs"]["text"] = text
        return texts(server, prompt)

    (first,) = said("a photo of a dog")
    assert first["node"] == positive and "does not know dog, photo," in first["text"]
    assert said("a photo of a dog") == []  # nothing runs anew, and the page has the text still
    (second,) = said("a red house")
    assert second == {"node": positive, "text": "The testbed knows every word of this prompt."}
    assert said("a blue house") == []
