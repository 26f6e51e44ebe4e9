"""The list of hazards and their tests say the same."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
FOLDER = TESTS / "hazards"
ROW = re.compile(r"^\| ([A-Z]\d\d) \| .*? \| (.*) \|$", re.MULTILINE)


def listed() -> dict[str, list[str]]:
    text = (FOLDER / "README.md").read_text()
    return {
        hazard: [_named(link) for link in re.findall(r"\(([./\w]*test_\w+\.py)\)", tests)]
        for hazard, tests in ROW.findall(text)
    }


def _named(link: str) -> str:
    return (FOLDER / link).resolve().relative_to(TESTS).as_posix()


def of_tests() -> set[tuple[str, str]]:
    """Pairs of the ids in a test's name and its file."""
    return {
        (hazard.upper(), path.relative_to(TESTS).as_posix())
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^def test_(\w+)", path.read_text(), re.MULTILINE)
        for hazard in re.findall(r"(?:^|_)([aefilps]\d\d)(?=_)", name)
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
