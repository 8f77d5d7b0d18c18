"""Augmentation policies by name. Without torch."""

from tlkit.arguments import suggest

# Policies change one picture each; mixings blend the pictures of a step, and their labels.
POLICIES = ("flip", "crop", "crop_wide", "colour", "rand_augment", "trivial_augment", "blur", "gray", "invert")
TEXT_POLICIES = ("crop", "crop_wide", "word_dropout")
MIXINGS = ("mixup", "cutmix")

# The smallest share of a picture's area, or of a text's words, that each kind of crop keeps.
CROPS = {"crop": 0.6, "crop_wide": 0.35}


def check_policies(augment, argument="augment"):
    """Return an augmentation (None, a name or several) as None, a name or a tuple, if it can be used."""
    if augment is None:
        return None
    known = tuple(dict.fromkeys(POLICIES + MIXINGS + TEXT_POLICIES))
    names = (augment,) if isinstance(augment, str) else augment
    if not isinstance(names, (list, tuple)):
        raise TypeError(f"{argument}: a {type(augment).__name__}, expected None, a policy or a list of policies")
    if not names:
        raise ValueError(f"{argument}: {augment!r}, expected None or at least one of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise ValueError(f"{argument}: {name!r}, expected None or a policy; {suggest(name, known)}")
    for alternatives, effect in ((tuple(CROPS), "cut out a part"), (MIXINGS, "mix pictures")):
        if len(both := [name for name in names if name in alternatives]) > 1:
            raise ValueError(f"{argument}: {both[0]!r} and {both[1]!r} both {effect}: use only one of them")
    if len(set(names)) < len(names):
        raise ValueError(f"{argument}: {list(names)} has one twice")
    return names[0] if len(names) == 1 else tuple(names)


def check_medium(augment, noun, argument="augment"):
    """Raise ValueError if a policy can't change examples of this kind, "picture" or "text"."""
    known = TEXT_POLICIES if noun == "text" else POLICIES + MIXINGS
    if others := [name for name in list_policies(augment) if name not in known]:
        raise ValueError(f"{argument}: {others[0]!r} is not for {noun}s, expected some of {', '.join(known)}")


def split_policies(augment):
    """Return (policies that change each picture, mixing) of an augmentation; None for a part that it lacks."""
    names = list_policies(augment)
    mixing = [name for name in names if name in MIXINGS]
    changing = tuple(name for name in names if name not in MIXINGS)
    return check_policies(changing or None), mixing[0] if mixing else None


def list_policies(augment):
    """Return the names of an augmentation as a tuple."""
    if augment is None:
        return ()
    return (augment,) if isinstance(augment, str) else tuple(augment)


def format_augment(augment):
    """Return an augmentation as text for a drawing."""
    return " + ".join(list_policies(augment)) or "none"
