"""Augmentation policies by name. Without torch."""

from tlkit.arguments import suggest

# What changes one picture, and what mixes the pictures of a step with each other, labels and all.
POLICIES = ("flip", "crop", "crop_wide", "colour", "rand_augment", "trivial_augment", "blur", "gray", "invert")
MIXINGS = ("mixup", "cutmix")

# The smallest share of the picture's area that each kind of crop keeps.
CROPS = {"crop": 0.6, "crop_wide": 0.35}


def check_policies(augment):
    """Return what a phase augments by, once it can be used: None, the name of a policy, or a tuple of several.

    Arguments
    ---------
    augment: str, or list or tuple of str; None for no augmentation
        Names of `POLICIES` and `MIXINGS`.

    Raises ValueError, with the nearest name, where one is unknown, and where names can't go together; TypeError for
    what is no name.

    >>> check_policies(["crop", "mixup"]), check_policies(["flip"])
    (('crop', 'mixup'), 'flip')
    """
    if augment is None:
        return None
    known = POLICIES + MIXINGS
    names = (augment,) if isinstance(augment, str) else augment
    if not isinstance(names, (list, tuple)):
        raise TypeError(f"augment: a {type(augment).__name__}, expected None, a policy or a list of policies")
    if not names:
        raise ValueError(f"augment: {augment!r}, expected None or at least one of {', '.join(known)}")
    for name in names:
        if name not in known:
            raise ValueError(f"augment: {name!r}, expected None or a policy; {suggest(name, known)}")
    for alike, what in ((tuple(CROPS), "cut out a part"), (MIXINGS, "mix pictures")):
        if len(both := [name for name in names if name in alike]) > 1:
            raise ValueError(f"augment: {both[0]!r} and {both[1]!r} both {what}: take one of them")
    if len(set(names)) < len(names):
        raise ValueError(f"augment: {list(names)} has one twice")
    return names[0] if len(names) == 1 else tuple(names)


def split_policies(augment):
    """Return (what changes each picture, what mixes them) of an augmentation; None where there is no such part.

    >>> split_policies(("crop", "mixup")), split_policies("cutmix"), split_policies("flip")
    (('crop', 'mixup'), (None, 'cutmix'), ('flip', None))
    """
    names = list_policies(augment)
    mixing = [name for name in names if name in MIXINGS]
    changing = tuple(name for name in names if name not in MIXINGS)
    return check_policies(changing or None), mixing[0] if mixing else None


def list_policies(augment):
    """Return the names of an augmentation as a tuple.

    >>> list_policies(None), list_policies("flip"), list_policies(("crop", "mixup"))
    ((), ('flip',), ('crop', 'mixup'))
    """
    if augment is None:
        return ()
    return (augment,) if isinstance(augment, str) else tuple(augment)


def format_augment(augment):
    """Return an augmentation as it is written beside a drawing.

    >>> format_augment(None), format_augment(["crop", "mixup"])
    ('none', 'crop + mixup')
    """
    return " + ".join(list_policies(augment)) or "none"
