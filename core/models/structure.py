"""How networks divide into stages, by the names of their modules. Free of torch."""

from collections.abc import Iterable
from dataclasses import dataclass

_Names = tuple[str, ...]
# What comes before and after the list of stages, by the attribute that holds the list.
_LISTED: tuple[tuple[_Names, str, _Names], ...] = (
    (("conv_stem", "bn1"), "blocks", ("conv_head", "bn2", "norm_head")),
    (("stem",), "stages", ("norm_pre", "norm", "final_conv", "final_act")),
)
_NUMBERED: tuple[tuple[_Names, _Names, _Names], ...] = (
    (("conv1", "bn1", "act1", "maxpool"), ("layer1", "layer2", "layer3", "layer4"), ()),
    (("stem",), ("s1", "s2", "s3", "s4"), ("final_conv",)),
)


@dataclass(frozen=True)
class Structure:
    """The names of the modules before the stages, of the stages, and after them.

    `listed`: the one name in `stages` is that of a list with an item for each stage.
    """

    before: _Names
    stages: _Names
    after: _Names
    listed: bool


def structure_of(names: Iterable[str]) -> Structure | None:
    """How a network with modules, or weights, of these names divides; None if it does not."""
    children = {name.partition(".")[0] for name in names}
    for before, attribute, after in _LISTED:
        if attribute in children and children.issuperset(before):
            return Structure(before, (attribute,), _present(children, after), listed=True)
    for before, numbered, after in _NUMBERED:
        if children.issuperset((before[0], *numbered)):
            first = _present(children, before)
            return Structure(first, numbered, _present(children, after), listed=False)
    return None


def _present(children: set[str], wanted: _Names) -> _Names:
    return tuple(name for name in wanted if name in children)
