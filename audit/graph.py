"""A workflow in API format as a graph: {id: {"class_type": ..., "inputs": {name: a value, or a link [id, output]}}}."""

from typing import Any

Graph = dict[str, dict[str, Any]]
Link = list  # [id, output]

GUIDED = ("model", "positive", "negative")  # the links of a node that samples, or guides a sampler


def links(node: dict) -> dict[str, Link]:
    """The inputs of a node that come from other nodes."""
    found = {name: value for name, value in node["inputs"].items() if isinstance(value, list) and len(value) == 2}
    return {name: value for name, value in found.items() if isinstance(value[0], str)}


def upstream(graph: Graph, *ends: str) -> set[str]:
    """These nodes and all that they need. Raises ValueError for a link to a node that is not there."""
    found: set[str] = set()
    waiting = list(ends)
    while waiting:
        if (key := waiting.pop()) in found:
            continue
        if key not in graph:
            raise ValueError(f"the workflow has a link to node {key}, which is not in it: export it anew.")
        found.add(key)
        waiting += [link[0] for link in links(graph[key]).values()]
    return found


def titled(graph: Graph, keys: list[str], title: str, what: str) -> str:
    """The only one of these nodes, or the only one with this in its title. Raises ValueError that says `what` it is."""
    chosen = [key for key in keys if title in str(graph[key].get("_meta", {}).get("title", ""))] or keys
    if len(chosen) != 1:
        raise ValueError(f"the workflow has {len(chosen)} nodes that are {what}: put {title} into the title of one.")
    return chosen[0]


def picture_link(graph: Graph) -> Link:
    """Where the picture comes from that the workflow shows or saves last."""
    used = {link[0] for node in graph.values() for link in links(node).values()}
    ends = [key for key, node in graph.items() if "images" in links(node) and key not in used]
    return graph[titled(graph, ends, "%picture%", "Save Image, Preview Image or the like")]["inputs"]["images"]


def nearest_link(graph: Graph, start: str, name: str) -> Link | None:
    """The first link of this name on the way up from a node."""
    seen, waiting = set(), [start]
    for key in waiting:
        if key not in seen:
            seen.add(key)
            above = links(graph[key])
            if name in above:
                return above[name]
            waiting += [link[0] for link in above.values()]
    return None


def guided(graph: Graph, picture: Link) -> list[str]:
    """The nodes behind a picture that have model, positive and negative, in the order of their names."""
    return sorted(key for key in upstream(graph, picture[0]) if set(GUIDED) <= set(links(graph[key])))


def first_guided(graph: Graph, picture: Link) -> str | None:
    """The one of them that works on no other's latent; None without any."""
    keys = guided(graph, picture)
    first = [key for key in keys if upstream(graph, key) & set(keys) == {key}]
    return titled(graph, first, "%sampler%", "samplers with a start of their own") if first else None


def copied(graph: Graph, changed: list[str], picture: Link, suffix: str) -> tuple[Graph, Link]:
    """Copies of these nodes and of all that depend on them on the way to the picture, and where theirs comes from."""
    above = upstream(graph, picture[0])
    names = {key: key + suffix for key in above if upstream(graph, key) & set(changed)}

    def copy(key: str) -> dict:
        renamed = {name: [names.get(link[0], link[0]), link[1]] for name, link in links(graph[key]).items()}
        return {**graph[key], "inputs": {**graph[key]["inputs"], **renamed}}

    return {names[key]: copy(key) for key in names}, [names.get(picture[0], picture[0]), picture[1]]
