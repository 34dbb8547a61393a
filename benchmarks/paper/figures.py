"""The paper's figures remade on a testbed. Each function draws one; seeds and captions are those of the plan."""

from pathlib import Path

import numpy as np

from ..testbeds import testbed
from .cache import Job
from .detection import curves, recorded
from .drawing import new, norms, over_time, save, show, timesteps
from .methods import oracle
from .oracle import RULES, loaded
from .plan import Size, captions, condition, main_jobs

CIRCLE = 24


def circle_job(name: str, size: Size) -> Job:
    caption = captions(name, "memorized", size)[0]
    return Job(condition(name, "zero", size), caption, testbed(name).seeds(caption, 2), CIRCLE)


def figure_1(name: str, size: Size, folder: Path) -> None:
    """The attraction basin over start noise and time: where CFG that begins there copies."""
    sweep = loaded(circle_job(name, size))
    t = timesteps(name, sweep["sigma"])
    figure, [[axes]] = new(1, 1, 7, 4)
    similarity = sweep["similarity"][:, :-1].T.numpy()
    mesh = axes.pcolormesh(
        np.arange(CIRCLE + 1) * 360 / CIRCLE, np.append(t, 0), similarity, cmap="RdYlBu_r", vmin=-1, vmax=1
    )
    figure.colorbar(mesh, label="similarity to the memorized image")
    title = "Where CFG begins, and whether it copies (Figure 1)"
    axes.set(xlabel="start noise (degrees on a circle through two noises)", ylabel="CFG from timestep t", title=title)
    save(figure, folder, "figure-1")


def figure_2(name: str, size: Size, folder: Path) -> None:
    """The norm of one start under zero guidance, and the picture when CFG begins there."""
    job = main_jobs(name, "zero", "memorized", size)[0]
    t, curve = norms([job])
    sweep = loaded(job)
    shown = np.linspace(0, size.steps - 1, 13).round().astype(int)
    figure, grid = new(2, len(shown), 13, 4.2, height_ratios=[3, 1])
    whole = figure.add_subplot(grid[0, 0].get_gridspec()[0, :])
    for axes in grid[0]:
        axes.remove()
    whole.plot(t, curve["difference"][0], color="black")
    for (rule, choose), colour in zip(
        RULES.items(), ("tab:blue", "tab:purple", "tab:orange", "tab:green", "tab:olive"), strict=True
    ):
        step = min(int(choose(sweep, job.condition)[0]), size.steps - 1)
        whole.plot(t[step], curve["difference"][0][step], "o", color=colour, label=rule)
    best = int(oracle(sweep["copied"])[0])
    whole.axvline(t[min(best, size.steps - 1)], color="tab:red", linestyle="--", label="oracle transition")
    whole.legend(fontsize=8)
    over_time(whole, f'"{job.caption}" under zero guidance (Figure 2)', "guidance norm (RMS)")
    for axes, step in zip(grid[1], shown, strict=True):
        show(axes, sweep["samples"][0, step], f"t = {t[step]:.0f}", bool(sweep["copied"][0, step]))
    save(figure, folder, "figure-2")


def mean_norms(name: str, size: Size, folder: Path) -> None:
    """Figures 3 and 12: mean norms of the two predictions and of their difference under zero guidance."""
    figure, [row] = new(1, 2, 11, 3.8)
    for axes, kind, number in zip(row, ("memorized", "ordinary"), (3, 12), strict=True):
        t, curve = norms(main_jobs(name, "zero", kind, size))
        for label, values in curve.items():
            axes.plot(t, values.mean(0), label=label)
        axes.legend()
        over_time(axes, f"{kind} captions (Figure {number})", "mean norm (RMS)")
    save(figure, folder, "figure-3-12")


def figure_4(name: str, size: Size, folder: Path) -> None:
    """Pictures by static transition, one row per caption."""
    jobs, shares = main_jobs(name, "zero", "memorized", size)[:4], (1.0, 0.8, 0.7, 0.6, 0.5, 0.4, 0.2, 0.0)
    figure, grid = new(len(jobs), len(shares) + 1, 10, 1.25 * len(jobs) + 0.3)
    bed = testbed(name)
    for row, job in zip(grid, jobs, strict=True):
        sweep = loaded(job)
        t = np.append(timesteps(name, sweep["sigma"]), 0.0)
        show(row[0], bed.image(job.caption), "training")
        for axes, share in zip(row[1:], shares, strict=True):
            step = int((t <= 1000 * share + 1).argmax())
            show(axes, sweep["samples"][0, step], f"CFG on [{1000 * share:.0f}, 0]", bool(sweep["copied"][0, step]))
    save(figure, folder, "figure-4")


def figure_5(name: str, size: Size, folder: Path) -> None:
    """Two start noises of each of two captions: the transition is at another time for each."""
    jobs = main_jobs(name, "zero", "memorized", size)[1:3]
    shown = np.linspace(0, size.steps * 0.7, 12).round().astype(int)
    figure, grid = new(2 * len(jobs), len(shown), 12, 2.4 * len(jobs) + 0.3)
    for row, (job, start) in zip(grid, [(job, start) for job in jobs for start in range(2)], strict=True):
        sweep = loaded(job)
        t = timesteps(name, sweep["sigma"])
        for axes, step in zip(row, shown, strict=True):
            show(axes, sweep["samples"][start, step], f"t = {t[step]:.0f}", bool(sweep["copied"][start, step]))
    save(figure, folder, "figure-5")


def figure_6(name: str, size: Size, folder: Path) -> None:
    """Guidance norms of memorized and ordinary captions, under zero and under opposite guidance."""
    figure, [row] = new(1, 2, 11, 3.8, sharey=True)
    for axes, before, title in zip(
        row, ("zero", "opposite 2"), ("(a) zero guidance", "(b) opposite guidance 2"), strict=True
    ):
        for kind, colour in (("memorized", "tab:red"), ("ordinary", "tab:blue")):
            t, curve = norms(main_jobs(name, before, kind, size))
            axes.plot(t, curve["difference"].T, color=colour, alpha=0.3, linewidth=0.8)
            axes.plot(t, curve["difference"].mean(0), color=colour, linewidth=2.5, label=f"{kind}, mean")
        axes.legend()
        over_time(axes, f"{title} (Figure 6)", "guidance norm (RMS)")
    save(figure, folder, "figure-6")


def figure_9(name: str, size: Size, folder: Path) -> None:
    """Guidance norms under CFG from the start."""
    figure, [[axes]] = new(1, 1, 6.5, 3.8)
    for kind, colour in (("memorized", "tab:red"), ("ordinary", "tab:blue")):
        runs = [recorded(curve) for curve in curves(name, kind, "held_out", size.steps, size)]
        values = np.concatenate([run["guidance_norm"].T.numpy() for run in runs])
        t = runs[0]["timestep"][:, 0].numpy()
        axes.plot(t, values[::4].T, color=colour, alpha=0.2, linewidth=0.8)
        axes.plot(t, values.mean(0), color=colour, linewidth=2.5, label=f"{kind}, mean")
    axes.legend()
    over_time(axes, "CFG from the start (Figure 9)", "guidance norm (RMS)")
    save(figure, folder, "figure-9")


PAPER = (figure_1, figure_2, mean_norms, figure_4, figure_5, figure_6, figure_9)
