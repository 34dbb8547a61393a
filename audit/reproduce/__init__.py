"""The paper's Tables 3 and 4 again, on a real model: `python -m audit.reproduce --help`, docs/reproduce.md.

Like the audit it asks running ComfyUI servers, and shares how with it.

    asked.py         what it begins with; options.py: how that is asked for
    prompt_lists.py  the public lists -> prompts with a kind and training images
    methods.py       every method, an entry each; wiring.py: an entry -> the graph that is queued
    sample.py        a prompt, a seed and a method, on one server -> a picture
    book.py          the SQLite file: which pictures there are, and the vectors of all measures
    measures.py      SSCD and CLIP, as far as they are installed; describe.py: of all pictures
    table.py         the vectors -> the numbers of each method; paper.py: the paper's own
    progress.py      what is left to do; report.py: the numbers as page, CSV and JSON
"""
