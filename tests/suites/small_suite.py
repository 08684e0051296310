"""A suite of seven cases, small enough to count by hand, and what two models decide on it."""

from foreshot.results.behaviour import Case, CellResult

CLASSES = ["benign", "toxic"]


def case(label: str, functionality: str, **more: str) -> Case:
    return Case(text="some text", label=label, functionality=functionality, **more)


CASES = [
    case("toxic", "threat", group="women", pair="1"),
    case("benign", "negated threat", group="women", pair="1"),
    case("toxic", "threat", group="men", pair="2"),
    case("toxic", "threat", group="women"),
    case("benign", "negated threat", group="men", pair="2"),
    case("benign", "names"),
    case("toxic", "threat"),
]
TEACHER = [[1, 0, 1, 1, 0, 1, 1]]  # wrong on case 5 alone
ODD = [
    [1, 0, 0, 1, 0, 0, 0],  # wrong on 2 and 6
    [1, 1, 0, 1, 0, 0, 1],  # wrong on 1 and 2
]


def cells(found: list[CellResult]) -> dict[tuple[str, str], CellResult]:
    assert len({(one.name, one.label) for one in found}) == len(found)
    return {(one.name, one.label): one for one in found}
