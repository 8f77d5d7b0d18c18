"""The freeze score explorer without a browser: painting, costs, Python, runs that end, are cancelled, or fail."""

import base64
import io
import threading

import pytest
import traitlets
from made_networks import copy_state, make_batch, make_tiny_backbone, same_bits
from made_pictures import write_classes
from PIL import Image

import tlkit as tl
from tlkit.backbones.freezing.measurement import measure_freezing
from tlkit.summaries.freeze_score import make_score, make_strategy
from tlkit.training import loop
from tlkit.widgets import FreezeScoreExplorer, freeze_score_base
from tlkit.widgets.jobs import Job

TWO_EPOCHS = tl.Strategy([tl.Phase(["all"], 2, 1e-3)])


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return tl.load_images(write_classes(tmp_path_factory.mktemp("images") / "pets", {"cat": 9, "dog": 9}))


@pytest.fixture(scope="module")
def backbone():
    return make_tiny_backbone()


@pytest.fixture(scope="module")
def costs(backbone):
    return measure_freezing(backbone, make_batch(8), 2, n_rounds=1)


@pytest.fixture(autouse=True)
def without_conversion(monkeypatch):
    """Converting a network for another engine takes longer here than all of the training."""
    monkeypatch.setattr("tlkit.features.extract.choose_engine", lambda engine, network=None: "torch")


@pytest.fixture
def explorer(backbone, images, costs):
    train, test = images.split(test_fold=0)
    return FreezeScoreExplorer(backbone, train, test, costs=costs, strategy=TWO_EPOCHS)


@pytest.fixture
def gate(monkeypatch):
    """Stop the training after its third step: `reached` is set there, and it goes on once `opened` is."""
    real = loop.take_step

    class Gate:
        reached, opened, n_steps = threading.Event(), threading.Event(), 0

    def take_step(*arguments):
        real(*arguments)
        Gate.n_steps += 1
        if Gate.n_steps == 3:
            Gate.reached.set()
            assert Gate.opened.wait(60)

    monkeypatch.setattr(loop, "take_step", take_step)
    yield Gate
    Gate.opened.set()


def click(explorer, action, *arguments):
    """Request an action as the script does when a button is clicked."""
    explorer._handle_custom_msg({"action": action, "arguments": arguments}, [])


def test_what_is_painted_is_read_at_once(explorer, costs):
    everything = costs.n_parameters
    assert explorer.summary.startswith(f"{everything:,} of {everything:,} parameters learn at once.")
    explorer.rates = [[0, 0], [0, 1e-4], [1e-3, 1e-3]]
    assert explorer.summary.startswith(f"{everything - 3 * 4 * 9 - 4 - 8:,} of {everything:,} parameters")
    assert "computed once" in explorer.summary
    namespace = {}
    exec(explorer.python, namespace)
    assert namespace["strategy"] == make_strategy(explorer.score)
    assert [phase.train for phase in namespace["strategy"].phases] == [("head",), ("stage1", "head")]
    explorer.solves_head = True
    assert "tl.Phase(['head'], None)".replace("'", '"') in explorer.python


def test_a_known_strategy_is_put_into_the_grid(explorer, backbone):
    assert explorer.loaded == -1
    click(explorer, "load", "lp_ft")
    assert explorer.known[explorer.loaded] == ["lp_ft", "lp ft"]
    assert (explorer.solves_head, explorer.rates) == (True, [[2e-4] * 6] * 3)
    assert explorer.error is None
    explorer.score = make_score(tl.strategies.get("linear_probe"), backbone, 10)
    assert explorer.rates == [[0.0]] * 3
    with pytest.raises(ValueError, match="name: 'l2_sp' is unknown"):
        explorer.load("l2_sp")


@pytest.mark.parametrize("rates", [[[1e-3] * 13] * 3, [[1e-3]] * 2, [[-1.0]] * 3, [[]] * 3])
def test_what_cannot_be_painted_is_a_trait_error(explorer, rates):
    before = explorer.rates
    with pytest.raises(traitlets.TraitError, match="rates"):
        explorer.rates = rates
    assert explorer.rates == before


def test_a_run_is_that_of_transfer_and_is_set_in_the_table(explorer, backbone, images):
    run = explorer.run().wait()
    train, test = images.split(test_fold=0)
    direct = tl.transfer(backbone, train, TWO_EPOCHS, progress=False)
    assert same_bits(copy_state(run.backbone), copy_state(direct.backbone))
    assert run.completed
    n_right = round(direct.evaluate(test).accuracy * len(test))
    assert explorer.status.startswith(f"painted: {n_right} of {len(test)} test pictures right")
    assert "s were estimated." in explorer.status
    assert list(explorer.table["score"]) == ["painted"]
    assert not explorer.running
    assert explorer.results["cells"][0][0] == "painted"
    assert len(explorer.results["cells"][0]) == len(explorer.results["columns"])
    assert explorer.progress == [1, 1]
    assert "after epoch 2" in explorer.drawing


def test_the_same_score_keeps_its_row_and_another_gets_one(explorer):
    explorer.run().wait()
    explorer.run().wait()
    assert list(explorer.table["score"]) == ["painted"]
    explorer.rates = [[0], [0], [1e-3]]
    explorer.run().wait()
    assert list(explorer.table["score"]) == ["painted", "painted 2"]
    assert "2 painted scores have been tested on these test pictures" in explorer.status


@pytest.mark.slow
def test_cancel_ends_with_the_step_that_goes_on(explorer, gate):
    job = explorer.run()
    assert gate.reached.wait(60)
    assert explorer.running
    click(explorer, "cancel")
    assert explorer.status.startswith("Cancelling: it ends with ")
    gate.opened.set()
    run = job.wait()
    assert (gate.n_steps, run.completed) == (3, False)
    assert explorer.status.startswith("painted: cancelled ")
    assert explorer.status.endswith("with 1 of 2 epochs done.")
    assert len(explorer.table) == 0
    assert not explorer.running
    assert explorer.run().wait().completed
    assert list(explorer.table["score"]) == ["painted"]


def test_a_second_click_starts_nothing_and_a_second_call_is_refused(explorer, gate):
    job = explorer.run()
    assert gate.reached.wait(60)
    words = explorer.status
    click(explorer, "run")
    assert (explorer.status, explorer.error) == (words, None)
    with pytest.raises(RuntimeError, match="a training is running; wait for it"):
        explorer.compare()
    gate.opened.set()
    assert job.wait().completed
    assert gate.n_steps == 4


def test_painting_while_a_run_goes_on_is_the_next_run(explorer, gate):
    job = explorer.run()
    assert gate.reached.wait(60)
    explorer.rates = [[0], [0], [1e-3]]
    gate.opened.set()
    assert job.wait().strategy["phases"][0]["n_epochs"] == 2
    assert explorer.run().wait().strategy["phases"][0]["n_epochs"] == 1


@pytest.mark.slow
def test_the_catalogue_is_run_once_each(explorer, monkeypatch):
    names, real = [], explorer._trials.run

    def run(name, *arguments, **settings):
        names.append(name)
        return real(name, *arguments, **settings)

    monkeypatch.setattr(explorer._trials, "run", run)
    table = explorer.compare().wait()
    assert names == list(table["score"]) == ["linear_probe", "fine_tune", "lp_ft", "gradual"]
    assert explorer.status == "Compared: linear probe, fine tune, lp ft, gradual."
    explorer.run().wait()
    assert list(explorer.compare().wait()["score"]) == [*names[:4], "painted"]
    assert names[4:] == ["painted"]
    assert (table["n_test"] == len(explorer._trials.test)).all()


def test_cancel_ends_the_comparison_too(explorer, gate):
    explorer.compare_with = ["fine_tune", "lp_ft"]
    job = explorer.compare()
    assert gate.reached.wait(60)
    explorer.cancel()
    gate.opened.set()
    assert len(job.wait()) == 0
    assert explorer.status.startswith("fine tune: cancelled ")
    assert list(explorer.compare().wait()["score"]) == ["fine_tune", "lp_ft"]


def test_a_failure_is_said_and_raised_and_another_run_is_possible(explorer, monkeypatch):
    def fail(*_):
        raise ValueError("no <ink>")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", fail)
        job = explorer.run()
        with pytest.raises(ValueError, match="no <ink>"):
            job.wait()
    assert explorer.status == "This run failed: ValueError: no <ink>"
    assert str(explorer.error) == "no <ink>"
    assert not explorer.running
    assert explorer.run().wait().completed
    assert explorer.error is None


def test_a_score_in_which_nothing_learns_is_not_run(explorer):
    explorer.rates = [[0], [0], [0]]
    assert explorer.summary.startswith("Nothing learns yet")
    assert explorer.python == ""
    with pytest.raises(ValueError, match="nothing learns in any epoch"):
        explorer.run()
    click(explorer, "run")
    assert explorer.status.startswith("This could not be done: ValueError: score: nothing learns")
    explorer.solves_head = True
    assert explorer.run().wait().n_steps == 0


@pytest.mark.parametrize(("passes_s", "n_drawn"), [(0, 1), (1, 2)])
def test_the_view_is_told_at_most_five_times_a_second(explorer, monkeypatch, passes_s, n_drawn):
    clock, drawn, real = [1.0], [], freeze_score_base.render_runs

    def tell():
        clock[0] += passes_s
        return clock[0]

    def render(history, *arguments):
        drawn.append(len(history))
        return real(history, *arguments)

    monkeypatch.setattr(freeze_score_base.time, "monotonic", tell)
    monkeypatch.setattr(freeze_score_base, "render_runs", render)
    explorer.run().wait()
    # Where each step takes a second, the first epoch is shown during the second; the end is shown in either case.
    assert drawn == [1, 2][-n_drawn:]


def test_ctrl_c_in_a_cell_that_waits_cancels_the_job():
    job = Job(lambda job: job.cancelled.wait(60))

    def interrupt():
        raise KeyboardInterrupt

    job._thread.join, real = interrupt, job._thread.join
    with pytest.raises(KeyboardInterrupt):
        job.wait()
    job._thread.join = real
    assert job.wait()


def test_costs_are_measured_where_none_are_given(backbone, images):
    train, test = images.split(test_fold=0)
    view = FreezeScoreExplorer(backbone, train, test, batch_size=4)
    assert view.solves_head
    assert "A step with 4 pictures" in view.summary


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 4}, "costs: of tiny, 2 stages, with batches of 8; expected tiny, 2 stages, with batches of 4"),
        ({"strategy": "l2_sp"}, "only learning rates and a head that is solved first can be painted"),
        ({"compare_with": ["from_scratch"]}, "compare_with: 'from_scratch' is unknown"),
        ({"palette": [0, -1]}, "palette: -1, expected a number of at least 0; 0 is frozen"),
        ({"palette": range(1, 12)}, "palette: 11 learning rates, expected 1 to 10"),
    ],
)
def test_what_does_not_fit_is_refused(backbone, images, costs, settings, message):
    train, test = images.split(test_fold=0)
    with pytest.raises(ValueError, match=message):
        FreezeScoreExplorer(backbone, train, test, **{"costs": costs} | settings)


def test_readers_without_widgets_see_a_picture(explorer):
    bundle, _ = explorer._repr_mimebundle_()
    with Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))) as picture:
        assert picture.size == (980, 360)
    assert (
        bundle["text/plain"] == repr(explorer) == "FreezeScoreExplorer(tiny, 2 stages, 14 training and 4 test pictures)"
    )
    explorer.run().wait()
    with Image.open(io.BytesIO(explorer.snapshot().data)) as picture:
        assert picture.size == (980, 650)


def test_building_an_explorer_displays_nothing(backbone, images, costs, capsys):
    train, test = images.split(test_fold=0)
    FreezeScoreExplorer(backbone, train, test, costs=costs)
    assert capsys.readouterr() == ("", "")
