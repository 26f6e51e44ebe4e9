"""The list of hazards and their tests say the same."""

import re
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "hazards"
ROW = re.compile(r"^\| ([A-Z]\d\d) \| .*? \| (.*) \|$", re.MULTILINE)


def listed() -> dict[str, list[str]]:
    text = (FOLDER / "README.md").read_text()
    return {hazard: re.findall(r"\((test_\w+\.py)\)", tests) for hazard, tests in ROW.findall(text)}


def of_tests() -> set[tuple[str, str]]:
    """Pairs of the ids in a test's name and its file."""
    return {
        (hazard.upper(), path.name)
        for path in FOLDER.glob("test_*.py")
        for name in re.findall(r"def test_(\w+)", path.read_text())
        for hazard in re.findall(r"(?:^|_)([a-z]\d\d)(?=_)", name)
    }


def test_every_hazard_that_is_listed_has_its_tests_where_the_list_says() -> None:
    assert len(listed()) > 25
    for hazard, files in listed().items():
        assert files, hazard
        for file in files:
            assert (hazard, file) in of_tests(), (hazard, file)


def test_every_test_that_names_a_hazard_is_listed() -> None:
    known = listed()
    assert {hazard for hazard, _ in of_tests()} == set(known)
    for hazard, file in of_tests():
        assert file in known[hazard], (hazard, file)
