"""Everything that all explorers of a choice have in common: controls, traits, refusals, failures, threads, pictures."""

import base64
import functools
import io

import pytest
import traitlets
from made_drawings import count_drawings
from made_explorers import CASES
from made_threads import count_inside
from PIL import Image

from tlkit.plots.vector import STILL_DOTS_PER_INCH


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]


@pytest.fixture
def explorer(case):
    return case.make()


def get_choice(explorer, case):
    """Return {trait: value}."""
    return {trait: getattr(explorer, trait) for trait in case.first}


def get_state(explorer, case):
    """Return everything that a change may change."""
    return get_choice(explorer, case), explorer.status, explorer.drawing, explorer.chosen, explorer.shown


def click(explorer, trait, value):
    """Choose an option as a reader does: the browser sends the positions of all options that are chosen."""
    explorer.chosen = explorer.chosen | {trait: explorer._controls[trait].find(value)}


def make_last(case):
    """Return the choice after all moves."""
    return case.first | {trait: value for trait, value, _ in case.moves}


def check_agreement(explorer, case, choice, sentence):
    """Fail unless traits, controls and the status line all show a choice."""
    assert explorer.error is None
    assert get_choice(explorer, case) == choice
    assert {name: control.get(explorer.chosen[name]) for name, control in explorer._controls.items()} == choice
    assert explorer.shown == explorer.chosen
    assert explorer.status.startswith(sentence)
    assert explorer.status == explorer._summarise(explorer._choose()).sentence


def test_building_displays_nothing(case, capsys):
    case.make()
    assert capsys.readouterr() == ("", "")


def test_it_begins_with_a_choice_and_describes_it(explorer, case):
    check_agreement(explorer, case, case.first, "")
    assert explorer.status


def test_it_begins_with_the_choice_that_is_given(case):
    if not case.takes_choice:
        pytest.skip("takes no choice to begin with")
    choice = make_last(case)
    check_agreement(case.make(**choice), case, choice, case.moves[-1][2])


def test_controls_change_traits_words_and_picture(explorer, case):
    choice, seen = case.first, {explorer.drawing}
    for trait, value, sentence in case.moves:
        click(explorer, trait, value)
        choice = choice | {trait: value}
        check_agreement(explorer, case, choice, sentence)
        assert explorer.drawing not in seen
        seen.add(explorer.drawing)


@pytest.mark.slow
def test_traits_change_controls_words_and_picture(explorer, case):
    choice, seen = case.first, {explorer.drawing}
    for trait, value, sentence in case.moves:
        setattr(explorer, trait, value)
        choice = choice | {trait: value}
        check_agreement(explorer, case, choice, sentence)
        assert explorer.drawing not in seen
        seen.add(explorer.drawing)


def prepare_pages(explorer, case):
    """Let an explorer make the figures of all moves, each of which is made once, and forget its drawings."""
    for trait, value, _ in case.moves:
        setattr(explorer, trait, value)
    for trait in case.first:
        setattr(explorer, trait, case.first[trait])
    explorer._kept.clear()


def test_several_traits_at_once_make_one_change(explorer, case, monkeypatch):
    prepare_pages(explorer, case)
    counts = count_drawings(monkeypatch)
    with explorer.hold_trait_notifications():
        for trait, value in make_last(case).items():
            setattr(explorer, trait, value)
    check_agreement(explorer, case, make_last(case), case.moves[-1][2])
    assert counts["drawings"] == 1


@pytest.mark.slow
def test_a_change_makes_one_drawing_on_the_figure_that_is_there(explorer, case, monkeypatch):
    prepare_pages(explorer, case)
    counts = count_drawings(monkeypatch)
    for number, (trait, value, _) in enumerate(case.moves, start=1):
        click(explorer, trait, value)
        assert explorer.error is None
        assert counts == {"drawings": number}


def test_a_choice_that_was_drawn_before_is_looked_up(explorer, case, monkeypatch):
    first = explorer.drawing
    click(explorer, *case.moves[0][:2])
    counts = count_drawings(monkeypatch)
    click(explorer, case.moves[0][0], case.first[case.moves[0][0]])
    assert explorer.drawing == first
    assert not counts


def test_options_are_disabled_if_they_are_not_offered(explorer, case, monkeypatch):
    name = case.moves[0][0]
    monkeypatch.setattr(explorer, "_offers", lambda field, choice: field != name)
    click(explorer, *case.moves[0][:2])
    for control in explorer.controls:
        has_buttons = control["name"] == name and control["kind"] != "slider"
        assert control["disabled"] == (list(range(len(control["texts"]))) if has_buttons else [])


def test_every_control_has_a_label_and_texts(explorer, case):
    assert [control["name"] for control in explorer.controls] == list(case.first)
    for control in explorer.controls:
        assert control["label"]
        assert all(control["texts"])


def test_a_click_on_a_mark_chooses_one_of_its_fields(explorer):
    for kind, fields in explorer.clicks.items():
        assert set(fields) <= set(explorer._controls)
        assert f'"{kind}:' in explorer.frame + explorer.drawing


def test_a_value_that_is_not_there_is_refused_and_nothing_moves(explorer, case):
    before = get_state(explorer, case)
    for trait, value, message in case.refused:
        with pytest.raises(traitlets.TraitError, match=message):
            setattr(explorer, trait, value)
        assert get_state(explorer, case) == before
        assert explorer._controls[trait].get(explorer.chosen[trait]) == case.first[trait]


def test_beginning_with_a_value_that_is_not_there_is_refused(case):
    if not case.takes_choice:
        pytest.skip("takes no choice to begin with")
    for trait, value, message in case.refused:
        with pytest.raises((ValueError, TypeError), match=message):
            case.make(**{trait: value})


@pytest.mark.parametrize("part", ["_render", "_summarise"])
def test_a_failure_is_shown_and_the_next_choice_ends_it(explorer, case, monkeypatch, part):
    def fail(*arguments, **keywords):
        raise OSError("no <ink>")

    trait, value, _ = case.moves[0]
    with monkeypatch.context() as broken:
        broken.setattr(explorer, part, fail)
        click(explorer, trait, value)
    assert isinstance(explorer.error, OSError)
    assert explorer.status == "This could not be shown: OSError: no <ink>"
    assert explorer.shown == explorer.chosen  # the reader isn't left waiting
    click(explorer, trait, case.first[trait])
    check_agreement(explorer, case, case.first, "")


@pytest.mark.slow
def test_two_threads_never_draw_at_once(explorer, case, monkeypatch):
    def move(choices):
        for choice in choices:
            for trait, value in choice.items():
                setattr(explorer, trait, value)

    moves = [functools.partial(move, order) for order in ([make_last(case), case.first], [case.first, make_last(case)])]
    counts = count_inside(monkeypatch, explorer, "_render", moves)
    assert explorer.error is None
    assert max(counts) == 1
    assert explorer.status == explorer._summarise(explorer._choose()).sentence


def test_readers_without_widgets_see_a_picture(explorer, case):
    bundle, _ = explorer._repr_mimebundle_()
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.format == "PNG"
    assert picture.size == tuple(round(side * STILL_DOTS_PER_INCH) for side in case.size_inches)
    assert bundle["text/plain"] == repr(explorer) == case.text


@pytest.mark.slow
def test_a_snapshot_shows_another_choice_and_leaves_the_explorer_as_it_was(explorer, case):
    before, here = get_state(explorer, case), explorer.snapshot().data
    last = make_last(case)
    assert explorer.snapshot(*last.values()).data == explorer.snapshot(**last).data != here
    trait, value, _ = case.moves[0]
    assert explorer.snapshot(**{trait: value}).data not in (here, explorer.snapshot(**last).data)
    assert explorer.snapshot().data == here
    assert get_state(explorer, case) == before
    assert here == case.make().snapshot().data


def test_a_snapshot_of_what_is_not_there_is_refused(explorer, case):
    for trait, value, message in case.refused:
        with pytest.raises((ValueError, TypeError), match=message):
            explorer.snapshot(**{trait: value})
    with pytest.raises(TypeError, match="colour"):
        explorer.snapshot(colour="red")
