"""The guidance rule for one sample in plain Python, as paper and design tell it: what the tests compare with."""

import math


def algorithm_1(norms):
    """Algorithm 1 of Jain et al., line by line: the observation from which CFG acts, -1 for never."""
    d_t2 = d_t1 = -math.inf
    for k, d_t in enumerate(norms):
        if d_t2 > d_t1 and d_t1 < d_t:
            return k
        d_t2, d_t1 = d_t1, d_t
    return -1


def escape(guided_pulls):
    """The first observation in which CFG goes less than all the way to the first conditional prediction."""
    return next((k for k, guided_pull in enumerate(guided_pulls) if guided_pull < 1), -1)


def below(sigmas, level):
    """The first observation at or below a noise level."""
    return next((k for k, sigma in enumerate(sigmas) if sigma <= level * 1.0001), -1)


def computed(norms, sigmas):
    """Of a sample's model calls, those whose guidance is neither none nor that of the call before, as a cache's is.

    A norm is NaN where a prediction is missing.
    """
    own, before = [], None
    for d, sigma in zip(norms, sigmas, strict=True):
        same = False
        if before:
            old, level = before
            scales = [(1.0, 1.0), ((1 + sigma**2) ** 0.5, (1 + level**2) ** 0.5), (sigma, level)]
            same = any(abs(d * a - old * b) <= 1e-5 * old * b for a, b in scales)
        own.append(d > 0 and not same)
        before = (d, sigma) if d == d else before
    return own


def transition(settings, norms, guided_pulls, sigmas, percent_to_sigma, elements, own=None):
    """The observation from which CFG acts on one sample, -1 for never; of its observations one by one.

    own: which of them have a prediction of their own; the others decide nothing but the deadline.
    """
    seen = [k for k in range(len(norms)) if own is None or own[k]]
    begins = []
    if seen and norms[seen[0]] / elements**0.5 < settings.memorization_threshold:
        begins.append(seen[0])
    if settings.transition == "dynamic":
        begins += [seen[k] for k in [algorithm_1([norms[k] for k in seen])] if k >= 0]
    if settings.transition == "escape":
        begins += [seen[k] for k in [escape([guided_pulls[k] for k in seen])] if k >= 0]
    if settings.transition in ("dynamic", "escape"):
        begins.append(below(sigmas, percent_to_sigma(settings.latest_percent)))
    if settings.transition == "static":
        begins.append(below(sigmas, percent_to_sigma(settings.static_percent)))
    return min((k for k in begins if k >= 0), default=-1) if settings.mitigates else -1


def observations(calls, schedule):
    """Indices of the model calls that observe: the first, and each that falls to a further level of the schedule."""
    levels = [level for level in schedule if level > 0]
    passed = [sum(level * 1.0001 >= sigma for level in levels) for sigma in calls]
    return [k for k, count in enumerate(passed) if k == 0 or count > max(passed[:k])]
