"""The audit: does a model, a fine-tune or a LoRA copy, prompt by prompt? `python -m audit --help`, docs/audit.md.

It talks to ComfyUI servers over HTTP and imports neither torch nor ComfyUI.

    prompts.py     a text or CSV file -> prompts, each with references and a number of seeds
    workflow.py    the template -> one graph for a prompt and a seed; graph.py: how its links are followed
    server.py      a graph -> what one server made of it; web.py: how it is asked
    examine.py     a prompt and a seed, on one server -> a Finding
    spread.py      all of them, over several servers; servers.py: which
    on_ray.py      as tasks of Ray; actors.py: with servers that are started for it (own_server.py, child.py)
    store.py       the SQLite file, which is written as it goes; database.py: what every such file has
    seen.py        the findings of a prompt, and how similar they are to its references
    judge.py       findings -> a verdict for each prompt; verdict.py: its words; measures.py: how alike pictures are
    tables.py, report.py   the verdicts as CSV and as HTML
"""
