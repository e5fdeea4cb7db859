import pytest

from footplate.engine import urn as urns
from footplate.engine.aliases import Alias, Identity, former_urns
from footplate.engine.errors import Unsupported

STACK = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"
TEAM = "urn:pulumi:dev::shop::shop:index:Team::red"


def identity(name: str = "red-quota", parent: str = TEAM, type: str = "kubernetes:core/v1:ResourceQuota") -> Identity:
    return Identity("dev", "shop", parent, type, name)


def test_the_stack_is_left_out_of_the_chain_of_types() -> None:
    assert urns.create("dev", "shop", "", urns.STACK_TYPE, "shop-dev") == STACK
    assert urns.create("dev", "shop", STACK, "shop:index:Team", "red") == TEAM
    assert (
        urns.create("dev", "shop", TEAM, "kubernetes:core/v1:Namespace", "red")
        == "urn:pulumi:dev::shop::shop:index:Team$kubernetes:core/v1:Namespace::red"
    )


def test_a_name_may_hold_colons() -> None:
    parsed = urns.parse("urn:pulumi:dev::shop::a:b:C$d:e:F::one::two")
    assert (parsed.type, parsed.name, parsed.qualified_type) == ("d:e:F", "one::two", "a:b:C$d:e:F")
    with pytest.raises(Unsupported, match="no URN"):
        urns.parse("urn:aws:nothing")


@pytest.mark.parametrize(
    ("alias", "former"),
    [
        (Alias(name="old-quota"), "urn:pulumi:dev::shop::shop:index:Team$kubernetes:core/v1:ResourceQuota::old-quota"),
        (Alias(no_parent=True), "urn:pulumi:dev::shop::kubernetes:core/v1:ResourceQuota::red-quota"),
        (Alias(parent=STACK), "urn:pulumi:dev::shop::kubernetes:core/v1:ResourceQuota::red-quota"),
        (Alias(type="old:type:T"), "urn:pulumi:dev::shop::shop:index:Team$old:type:T::red-quota"),
        (
            Alias(stack="prod", project="mall"),
            "urn:pulumi:prod::mall::shop:index:Team$kubernetes:core/v1:ResourceQuota::red-quota",
        ),
        (Alias(urn="urn:pulumi:x::y::a:b:C::z"), "urn:pulumi:x::y::a:b:C::z"),
    ],
)
def test_an_alias_says_what_was_different(alias: Alias, former: str) -> None:
    assert former_urns(identity(), [alias], {}) == [former]


def test_children_follow_a_renamed_parent() -> None:
    before = "urn:pulumi:dev::shop::shop:index:Team::rouge"
    found = former_urns(identity(), [Alias(name="old")], {TEAM: before})
    kind = "shop:index:Team$kubernetes:core/v1:ResourceQuota"
    assert found == [
        f"urn:pulumi:dev::shop::{kind}::old",
        # Named after its parent, it had the former parent's name in its own.
        f"urn:pulumi:dev::shop::{kind}::rouge-quota",
    ]


def test_what_it_is_called_today_is_no_former_name() -> None:
    assert former_urns(identity(), [Alias(name="red-quota")], {}) == []
