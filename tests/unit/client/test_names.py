import random
from pathlib import PurePath

import pytest

from footplate.client import names


@pytest.mark.parametrize(
    ("script", "directory", "expected"),
    [("train.py", "digits", "digits"), ("finetune.py", "llama", "finetune"), ("train.py", "", "train")],
)
def test_a_job_is_named_after_its_script_or_what_is_around_it(script: str, directory: str, expected: str) -> None:
    assert names.for_script(PurePath(script), directory) == expected


@pytest.mark.parametrize("base", ["digits", "My_Experiment (3)", "3d-net", "x" * 100, "été", "-", ""])
def test_generated_names_are_labels_within_the_limit(base: str) -> None:
    name = names.generate(base, 45, random.Random(1))
    assert len(name) <= 45
    assert name[0].isalpha()
    assert name.replace("-", "a").isalnum()
    assert name == name.lower()


def test_generated_names_differ() -> None:
    assert len({names.generate("digits", 45) for _ in range(100)}) > 95


def test_long_names_that_begin_alike_stay_apart() -> None:
    assert names.slug("a" * 60 + "1", 45) != names.slug("a" * 60 + "2", 45)


def test_did_you_mean() -> None:
    known = ["jupyter", "pytorch", "pytorch-nightly"]
    assert names.did_you_mean("pytroch", known) == "did you mean pytorch?"
    assert names.did_you_mean("jup", known) == "did you mean jupyter?"
    assert names.did_you_mean("tensorflow", known) is None


def test_listing_is_bounded() -> None:
    assert names.listing(["b", "a"]) == "a, b"
    assert names.listing([str(n) for n in range(30)]).endswith("and 10 more")
    assert names.listing([]) == "none"
