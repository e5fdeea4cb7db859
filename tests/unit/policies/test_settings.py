"""What counts where: environments and exemptions, read from a directory."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from policies import settings as configured
from policies.exemptions import Exempted, Exemption, Exemptions, parse
from policies.pack import settings_directory
from policies.rule import Finding, Level
from policies.rules import RULES
from policies.rules.namespaces import PodSecurity
from policies.settings import SettingsError, load, load_exemptions

TODAY = date(2026, 11, 24)
EXEMPTION = """
exemptions:
  - rule: imdsv2
    resource: "urn:pulumi:dev-*::*::legacy"
    reason: Its agent knows IMDSv1 only.
    owner: ml-platform
    expires: 2026-12-31
"""


def one(name: str, found: list[configured.Configured]) -> configured.Configured:
    return next(c for c in found if c.rule.name == name)


def test_a_stack_has_the_settings_of_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text(
        "stacks: ['dev-*']\n"
        "rules:\n  imdsv2: {level: advisory, hopLimit: 2}\n  pod-security-restricted: {exempt: {ci: baseline}}\n"
    )
    (tmp_path / "default.yaml").write_text("rules:\n  imdsv2: {level: mandatory}\n")
    dev = load(tmp_path, "dev-aws", RULES)
    assert [c.rule.name for c in dev] == list(RULES)
    assert one("imdsv2", dev).level is Level.ADVISORY
    assert one("pod-security-restricted", dev).settings == PodSecurity(exempt={"ci": "baseline"})
    assert one("imdsv2", load(tmp_path, "prod-aws", RULES)).level is Level.MANDATORY


def test_without_files_rules_count_as_they_are(tmp_path: Path) -> None:
    assert [(c.level, c.settings) for c in load(tmp_path, "dev", RULES)] == [
        (rule.level, rule.settings()) for rule in RULES.values()
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stacks: [dev]\nrules: {imdsv3: {level: advisory}}", "no rule 'imdsv3'; did you mean 'imdsv2'?"),
        (
            "stacks: [dev]\nrules: {imdsv2: {level: strict}}",
            "rules.imdsv2.level: 'strict' is none of disabled, advisory",
        ),
        ("stacks: [dev]\nrules: {imdsv2: {hops: 2}}", "it takes level, hopLimit"),
        ("stacks: [dev]\nrules: {imdsv2: {hopLimit: two}}", "hopLimit: Expected `int`, got `str`"),
        ("stacks: [dev]\nrules: {gpu-limit-set: {level: remediate}}", "has no remediation"),
        ("rules: {}", "stacks is missing: name the stacks it is for, such as dev-*"),
        ("stacks: dev\n", "stacks: Expected `array`, got `str`"),
        ("stack: [dev]\n", "unknown field `stack`"),
        ("{", "is no YAML"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "dev.yaml").write_text(text)
    with pytest.raises(SettingsError) as error:
        load(tmp_path, "dev", RULES)
    assert words in str(error.value)
    assert str(tmp_path / "dev.yaml") in str(error.value)


def test_a_stack_is_named_by_one_file(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text("stacks: ['dev-*']")
    (tmp_path / "aws.yaml").write_text("stacks: ['*-aws']")
    with pytest.raises(SettingsError, match=r"named by aws\.yaml and dev\.yaml"):
        load(tmp_path, "dev-aws", RULES)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("rule: imdsv2", "rule: imdsv1"), "exemptions[0].rule: there is no rule 'imdsv1'; did you mean 'imdsv2'?"),
        (("    expires: 2026-12-31\n", ""), "missing required field `expires`"),
        (("    owner: ml-platform\n", ""), "missing required field `owner`"),
        (("expires: 2026-12-31", "expires: never"), "exemptions[0].expires: Invalid RFC3339 encoded date"),
        (("expires: 2026-12-31", "expires: 2028-12-31"), "at most 180 are allowed"),
        (("Its agent knows IMDSv1 only.", "because"), "exemptions[0].reason: Expected `str` of length >= 10"),
        (('"urn:pulumi:dev-*::*::legacy"', "legacy"), "exemptions[0].resource"),
        (("    reason:", "    note: x\n    reason:"), "unknown field `note`"),
    ],
)
def test_what_is_wrong_with_an_exemption_is_named(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    (tmp_path / "exemptions.yaml").write_text(EXEMPTION.replace(*change))
    with pytest.raises(SettingsError) as error:
        load_exemptions(tmp_path, RULES, TODAY)
    assert words in str(error.value)


def exemptions(expires: date = date(2026, 12, 31)) -> Exemptions:
    exemption = Exemption("imdsv2", "urn:pulumi:dev-*::*::legacy", "Its agent knows IMDSv1 only.", "ops", expires)
    return Exemptions((exemption,), TODAY)


LEGACY = "urn:pulumi:dev-aws::platform::aws:ec2/instance:Instance::legacy"
STACK = "urn:pulumi:dev-aws::platform::pulumi:pulumi:Stack::platform-dev-aws"


def test_an_exempted_finding_is_told_as_a_note(tmp_path: Path) -> None:
    (tmp_path / "exemptions.yaml").write_text(EXEMPTION)
    found = load_exemptions(tmp_path, RULES, TODAY)
    assert found.judge("imdsv2", Finding("bad", LEGACY), STACK) is None
    (note,) = found.notes("dev-aws")
    text = "imdsv2 is exempted until 2026-12-31 by ml-platform (Its agent knows IMDSv1 only.): bad"
    assert note == Finding(text, LEGACY)
    told = Exempted("imdsv2", date(2026, 12, 31), "ml-platform", "Its agent knows IMDSv1 only.", "bad")
    assert parse(text) == parse(told.text(3)) == told
    assert parse("bad") is None


@pytest.mark.parametrize(("rule", "urn"), [("disks-encrypted", LEGACY), ("imdsv2", LEGACY + "2")])
def test_only_what_it_covers_is_exempted(rule: str, urn: str) -> None:
    assert exemptions().judge(rule, Finding("bad", urn), STACK) == Finding("bad", urn)


def test_an_exemption_counts_on_its_last_day_and_then_no_more() -> None:
    assert exemptions(TODAY).judge("imdsv2", Finding("bad", LEGACY), STACK) is None
    back = exemptions(date(2026, 11, 23)).judge("imdsv2", Finding("bad", LEGACY), STACK)
    assert back == Finding("bad (the exemption that ops had for it expired on 2026-11-23)", LEGACY)


def test_an_exemption_of_the_stack_as_a_whole_names_the_stack() -> None:
    whole = Exemptions((Exemption("imdsv2", "*::platform-dev-aws", "Until the move.", "ops", TODAY),), TODAY)
    assert whole.judge("imdsv2", Finding("too much"), STACK) is None


def test_an_end_that_is_near_and_an_exemption_of_no_use_are_pointed_out() -> None:
    near = exemptions(date(2026, 11, 30))
    assert near.judge("imdsv2", Finding("bad", LEGACY), STACK) is None
    assert "until 2026-11-30, in 6 days, by ops" in next(near.notes("dev-aws")).message
    assert "exempts nothing: remove it" in next(exemptions().notes("dev-aws")).message
    assert list(exemptions().notes("prod-aws")) == []


def test_the_settings_of_this_repository_are_right() -> None:
    directory = settings_directory({})
    for stack in ("local", "dev-aws", "prod-aws", "dev-gcp", "prod-gcp", "other"):
        assert load(directory, stack, RULES)
    load_exemptions(directory, RULES, date.today())  # noqa: DTZ011 (the day on which it is run)
