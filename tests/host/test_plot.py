"""Plot Guidance Norm: what is drawn, read from the figure, and what is seen."""

from dataclasses import replace

import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.plots.curve import draw_runs
from basin_escape.plots.picture import THEMES, picture
from basin_escape.plots.quantities import CURVES, FIRST_PULL, PULL, X_AXES
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace, RunTrace
from basin_escape.samplers.words import describe
from basin_escape.samplers.words import waiting as waiting_steps
from matplotlib.backends.backend_agg import FigureCanvasAgg

from .conftest import MEMORIZED


@pytest.fixture(scope="module")
def traces(testbed):
    """One sample and sixteen, of each kind of transition."""
    gate = Settings(memorization_threshold=0.0175, latest_percent=1.0)
    return [
        GuidanceTrace([testbed.guided(settings, MEMORIZED, batch=batch)[1]])
        for settings in (Settings(), Settings("static"), Settings("off"), gate, Settings("escape"))
        for batch in (1, 16)
    ]


@pytest.fixture(scope="module")
def orthogonal(testbed):
    settings = Settings("never", "orthogonal guidance", memorization_threshold=0.0175)
    return GuidanceTrace([testbed.guided(settings, MEMORIZED, batch=8)[1]])


@pytest.mark.parametrize("quantity", CURVES)
@pytest.mark.parametrize("x_axis", X_AXES)
@pytest.mark.parametrize("theme", THEMES)
def test_every_plot_is_a_picture_of_its_size(traces, orthogonal, quantity, x_axis, theme):
    for trace in {PULL: traces[-2:], FIRST_PULL: [orthogonal]}.get(quantity, traces):
        (plot,) = NODES["GuidanceNormPlot"]().plot(trace, quantity, x_axis, "all", 640, 400, theme)["result"]
        assert plot.shape == (1, 400, 640, 3) and plot.dtype == torch.float32
        assert 0 <= plot.min() < plot.max() <= 1
        corner = plot[0, 0, 0].mean()
        assert corner > 0.9 if theme == "light" else corner < 0.2


def test_the_pull_of_a_run_without_is_refused(traces):
    for trace in traces[:-2]:
        with pytest.raises(ValueError, match=r"^quantity is pull, .*Set transition to escape"):
            NODES["GuidanceNormPlot"]().plot(trace, PULL, "step", "last", 640, 400, "light")


def test_the_first_pull_is_drawn_and_refused_where_nobody_watched_it(traces, orthogonal):
    curves, dots = curves_and_dots(draw(orthogonal, FIRST_PULL))
    assert len(curves) == 8 and all(curve.get_ydata()[0] == 1 for curve in curves) and not dots
    with pytest.raises(ValueError, match=r"^quantity is first pull, .*Set before_transition to orthogonal guidance"):
        NODES["GuidanceNormPlot"]().plot(traces[0], FIRST_PULL, "step", "last", 640, 400, "light")


def test_the_pull_starts_at_one_and_its_level_is_drawn(traces):
    axes = draw(traces[-2], PULL)
    (curve,), _ = curves_and_dots(axes)
    assert curve.get_ydata()[0] == pytest.approx(1)
    assert [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"] == [1 / 7.5]


def draw(trace, quantity="guidance norm", x_axis="timestep"):
    (axes,) = draw_runs(trace.runs, quantity, x_axis, 640, 400, "light").axes
    return axes


def curves_and_dots(axes):
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
    return curves, [line for line in axes.lines if line.get_marker() == "o"]


def test_the_plot_draws_every_samples_norm_from_noise_to_image(traces):
    for trace in traces:
        run, axes = trace.runs[0], draw(trace)
        curves, _ = curves_and_dots(axes)
        assert axes.get_xlim() == (1000, 0)
        rms = run.quantity("guidance_norm") / 768**0.5
        for curve, expected in zip(curves, rms.unbind(1), strict=True):
            assert curve.get_xdata().tolist() == run.quantity("timestep")[:, 0].tolist()
            assert curve.get_ydata().tolist() == expected.tolist()


def test_the_right_axis_is_l2(traces):
    axes = draw(traces[0])
    FigureCanvasAgg(axes.figure).draw()
    (right,) = axes.child_axes
    assert right.get_ylim() == pytest.approx([768**0.5 * limit for limit in axes.get_ylim()])
    assert "L2" in right.get_ylabel() and "RMS" in axes.get_ylabel()


def test_the_transition_is_marked_and_the_steps_before_it_are_shaded(traces):
    for trace in traces:
        run, axes = trace.runs[0], draw(trace, x_axis="step")
        _, dots = curves_and_dots(axes)
        switched = run.transition_step[(run.transition_step >= 0) & ~run.gated]
        assert [dot.get_xdata()[0] for dot in dots] == switched.tolist()
        shares = waiting_steps(run).float().mean(1)[:-1]
        waiting = shares.nonzero().flatten().tolist()
        stretches = [(round(patch.get_x()), round(patch.get_x() + patch.get_width())) for patch in axes.patches]
        assert [step for first, last in stretches for step in range(first, last)] == waiting
        changes = int((shares.diff() != 0).sum())
        assert len(stretches) <= changes + 1
        last = run.transition_step.max() if (run.transition_step >= 0).all() else len(waiting)
        assert waiting == ([] if run.settings.transition == "off" else list(range(last)))


def test_a_skipped_pass_is_a_gap(testbed):
    _, run = testbed.guided(Settings("static"), MEMORIZED, batch=1, skip=True)
    (curve,), _ = curves_and_dots(draw(GuidanceTrace([run])))
    assert torch.tensor(curve.get_ydata()).isnan().tolist() == [True] * 6 + [False] * 6


def test_the_transition_is_described_in_words(traces):
    words = [describe(trace.runs[0]) for trace in traces]
    step = traces[0].runs[0].transition_step.item()
    timestep = traces[0].runs[0].quantity("timestep")[step, 0]
    assert words[0] == f"CFG began at step {step}, t = {timestep:.0f} (deadline)"
    assert words[3] == "CFG began at step 6 (16 of 16 images)" and words[4] == words[5] == "plain CFG"
    assert "not memorized: plain CFG" in words[7]


PAPER = Settings()


def run_of(steps, reasons, gated, settings=PAPER):
    series = {"sigma": torch.ones(4, 1), "timestep": torch.tensor([[999.0], [750.0], [500.0], [250.0]])}
    return RunTrace(settings, 7.5, 4, torch.tensor(steps), torch.tensor(gated), series, reasons)


def test_words_tell_of_deadlines_gates_and_images_that_wait():
    one = run_of([2], ["deadline"], [False])
    assert describe(one) == "CFG began at step 2, t = 500 (deadline)"
    some = run_of([1, 2, 0, -1], ["minimum", "deadline", "gate", None], [False, False, True, False])
    began = "CFG began at steps 1-2 (2 of 4 images); 1 by the deadline; 1 not memorized: plain CFG"
    assert describe(some) == f"{began}; 1 held back to the end"
    assert describe(some, ended=False) == f"{began}; 1 still held back"
    waits = run_of([-1], [None], [False])
    assert (describe(waits), describe(waits, ended=False)) == ("held back to the end", "still held back")
    orthogonal = Settings("never", "orthogonal guidance")
    kept = run_of([-1, 0], [None, "gate"], [False, True], orthogonal)
    assert describe(kept) == "1 not memorized: plain CFG; 1 kept off the image of the first step"
    assert describe(run_of([-1], [None], [False], orthogonal), ended=False) == "kept off the image of the first step"


@pytest.mark.parametrize("steps", [1, 5])
@pytest.mark.parametrize("fault", [float("nan"), float("inf"), 0.0, 3e38])
def test_a_run_of_faults_can_still_be_looked_at(testbed, fault, steps, recwarn):
    """One image of two broke, or none had a norm: the picture is drawn, and nothing is said on the way."""
    _, run = testbed.guided(Settings(), MEMORIZED, steps=steps)
    for broken in (slice(0, 1), slice(None)):
        series = {name: values.clone() for name, values in run.series.items()}
        for name in ("guidance_norm", "conditional_norm", "unconditional_norm"):
            series[name][:, broken] = fault
        damaged = replace(run, series=series)
        for x_axis in X_AXES:
            plot = picture(draw_runs([damaged], "guidance norm", x_axis, 320, 256, "light"))
            assert plot.isfinite().all() and plot.std() > 0.01
    assert not recwarn.list


def test_the_newest_run_lies_on_top(testbed):
    runs = [testbed.guided(Settings("off"), MEMORIZED, batch=1)[1] for _ in range(3)]
    curves, _ = curves_and_dots(draw(GuidanceTrace(runs)))
    assert [curve.get_color() == THEMES["light"]["ink"] for curve in curves] == [True, True, False]


@pytest.mark.parametrize("width", [256, 512, 1024])
def test_the_title_fits_into_the_picture(traces, width):
    for trace in traces:
        figure = draw_runs(trace.runs * 2, "guidance norm", "timestep", width, 400, "light")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        box = figure.axes[0].title.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= width
