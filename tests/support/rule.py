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


def transition(settings, norms, guided_pulls, sigmas, percent_to_sigma, elements):
    """The observation from which CFG acts on one sample, -1 for never; of its observations one by one."""
    begins = []
    if norms and norms[0] / elements**0.5 < settings.memorization_threshold:
        begins.append(0)
    if settings.transition == "dynamic":
        begins.append(algorithm_1(norms))
    if settings.transition == "escape":
        begins.append(escape(guided_pulls))
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
