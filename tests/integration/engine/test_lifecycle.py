"""Create, change, replace, delete: what an update does to objects in a cluster."""

from typing import Any

import pytest

from footplate.engine.checked import CheckedStack
from footplate.engine.errors import DeploymentFailed, ReplacementRefused, ResourceProtected
from footplate.engine.events import Op, StepDone
from footplate.engine.values import Secret, Unknown

from .conftest import Lab

DEPLOYMENT = """
    labels = {"app": "web"}
    web = k8s.apps.v1.Deployment(
        "web",
        metadata={"name": "web", "namespace": NAMESPACE},
        spec={
            "replicas": int(version),
            "selector": {"match_labels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "registry.invalid/web:1"}]},
            },
        },
    )
    pulumi.export("ready", web.status["ready_replicas"])
"""


async def test_a_program_comes_up_is_left_alone_and_goes(lab: Lab) -> None:
    lab.write(DEPLOYMENT)
    result = await lab.up("2")
    assert result.outputs == {"ready": 2}, "it was waited for"
    live = await lab.get("Deployment", "web", "apps/v1")
    assert live is not None
    assert lab.state("web").id == f"{lab.namespace}/web"
    assert lab.state("web").outputs["__fieldManager"] == "footplate"

    assert not (await lab.up("2")).changed
    again = await lab.get("Deployment", "web", "apps/v1")
    assert again is not None
    assert again["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"]

    await lab.up("3")
    assert lab.fields("web") == {"spec.replicas": (2, 3, "")}

    await lab.stack().destroy(lab.observe)
    assert await lab.get("Deployment", "web", "apps/v1") is None
    assert await lab.names("Pod") == set()


async def test_a_preview_changes_nothing_and_calls_unknown_what_it_cannot_know(lab: Lab) -> None:
    lab.write(
        """
        made = config_map("made")
        k8s.core.v1.Secret("user", metadata={"namespace": NAMESPACE}, string_data={"ref": made.metadata["name"]})
        pulumi.export("name", made.metadata["name"])
        pulumi.export("uid", made.metadata["uid"])
        pulumi.export("namespace", made.metadata["namespace"])
        """
    )
    result = await lab.preview()
    assert result.outputs == {"name": Unknown, "uid": Unknown, "namespace": lab.namespace}
    assert await lab.names("ConfigMap") == set()


async def test_drift_is_seen_told_and_put_right(lab: Lab) -> None:
    lab.write(DEPLOYMENT)
    await lab.up("2")
    deployments = await lab.client.resource("apps/v1", "Deployment")
    scaled = {"spec": {"replicas": 5}}
    await lab.client.patch(deployments, "web", scaled, lab.namespace, manager="somebody")
    result = await lab.preview("2")
    assert result.changed
    assert lab.fields("web") == {"spec.replicas": (5, 2, "changed in the cluster by somebody")}
    await lab.up("2")
    live = await lab.get("Deployment", "web", "apps/v1")
    assert live is not None
    assert live["spec"]["replicas"] == 2


async def test_what_somebody_deleted_is_made_again(lab: Lab) -> None:
    lab.write('config_map("a", name="a")\nconfig_map("b", name="b")\n')
    await lab.up()
    await lab.client.delete(await lab.client.resource("v1", "ConfigMap"), "a", lab.namespace)
    await lab.up()
    assert lab.ops() == {"a": Op.CREATE}
    assert await lab.names("ConfigMap") == {"a", "b"}


async def test_refresh_takes_drift_into_the_state(lab: Lab) -> None:
    lab.write('config_map("a", name="a")\nconfig_map("b", name="b")\n')
    await lab.up()
    maps = await lab.client.resource("v1", "ConfigMap")
    await lab.client.patch(maps, "a", {"data": {"a": "2"}}, lab.namespace, manager="somebody")
    await lab.client.delete(maps, "b", lab.namespace)
    shown = await lab.stack().refresh(lab.observe, preview=True)
    assert shown.changed
    assert lab.state("a").inputs["data"] == {"a": "1"}, "a preview leaves the state as it is"
    lab.events.clear()
    await lab.stack().refresh(lab.observe)
    assert lab.ops() == {"a": Op.REFRESH, "b": Op.FORGET}
    assert lab.fields("a") == {"data.a": ("1", "2", "")}
    assert lab.state("a").inputs["data"] == {"a": "2"}
    assert not (await lab.stack().refresh(lab.observe)).changed


async def test_a_named_object_is_deleted_before_it_is_replaced(lab: Lab) -> None:
    lab.write('config_map("a", {"v": version}, name="a")')
    await lab.up("1")
    before = await lab.get("ConfigMap", "a")
    await lab.up("2")
    after = await lab.get("ConfigMap", "a")
    assert lab.ops() == {"a": Op.REPLACE}
    assert before is not None
    assert after is not None
    assert after["data"] == {"v": "2"}
    assert before["metadata"]["uid"] != after["metadata"]["uid"]


async def test_a_generated_name_lets_the_new_one_come_first(lab: Lab) -> None:
    lab.write(
        """
        made = config_map("made", {"v": version})
        config_map("user", {"ref": made.metadata["name"]}, name="user", opts=options(delete_before_replace=True))
        """
    )
    await lab.up("1")
    (first,) = await lab.names("ConfigMap") - {"user"}
    await lab.up("2")
    (second,) = await lab.names("ConfigMap") - {"user"}
    assert first != second
    user = await lab.get("ConfigMap", "user")
    assert user is not None
    assert user["data"] == {"ref": second}
    assert not (await lab.up("2")).changed


async def test_a_provider_may_change_config_maps_in_place(lab: Lab) -> None:
    lab.write(
        """
        provider = k8s.Provider("cluster", enable_config_map_mutable=True)
        config_map("a", {"v": version}, name="a", opts=options(provider=provider))
        """
    )
    await lab.up("1")
    await lab.up("2")
    assert lab.ops() == {"a": Op.UPDATE}


async def test_a_field_that_leaves_the_program_leaves_the_object(lab: Lab) -> None:
    lab.write(
        """
        k8s.core.v1.Secret(
            "s",
            metadata={"name": "s", "namespace": NAMESPACE, "labels": {"v": "x"} if version == "1" else {}},
            string_data={"a": "1", **({"b": "2"} if version == "1" else {})},
            opts=options(provider=k8s.Provider("cluster", enable_secret_mutable=True)),
        )
        """
    )
    await lab.up("1")
    await lab.up("2")
    live = await lab.get("Secret", "s")
    assert live is not None
    assert set(live["data"]) == {"a"}
    assert "labels" not in live["metadata"]


async def test_the_server_says_what_cannot_change_where_no_table_does(lab: Lab) -> None:
    """A CEL rule of the kind `self == oldSelf` in a CRD, which only the API server knows."""
    lab.write(
        """
        group = f"{NAMESPACE}.example.dev"
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"fixed": {
                "type": "string",
                "x_kubernetes_validations": [{"rule": "self == oldSelf", "message": "fixed is immutable"}],
            }}}},
        }
        crd = k8s.apiextensions.v1.CustomResourceDefinition(
            "crd",
            metadata={"name": f"things.{group}"},
            spec={
                "group": group,
                "names": {"kind": "Thing", "plural": "things"},
                "scope": "Namespaced",
                "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"open_apiv3_schema": schema}}],
            },
        )
        k8s.apiextensions.CustomResource(
            "thing",
            api_version=f"{group}/v1",
            kind="Thing",
            metadata={"name": "thing", "namespace": NAMESPACE},
            spec={"fixed": version},
            opts=options(depends_on=[crd]),
        )
        """
    )
    planned = await lab.preview("1")
    assert planned.totals.counts[Op.CREATE] == 4, "a kind that comes in the same update can be planned"
    await lab.up("1")
    api = f"{lab.namespace}.example.dev/v1"
    assert await lab.get("Thing", "thing", api) is not None
    await lab.up("2")
    assert lab.ops() == {"thing": Op.REPLACE}
    live = await lab.get("Thing", "thing", api)
    assert live is not None
    assert live["spec"] == {"fixed": "2"}
    await lab.stack().destroy(lab.observe)
    assert (
        await lab.get("CustomResourceDefinition", f"things.{api.removesuffix('/v1')}", "apiextensions.k8s.io/v1")
        is None
    )


async def test_an_alias_keeps_the_object(lab: Lab) -> None:
    lab.write('config_map("old", name="a")')
    await lab.up()
    before = await lab.get("ConfigMap", "a")
    lab.write('config_map("new", name="a", opts=options(aliases=[pulumi.Alias(name="old")]))')
    result = await lab.up()
    assert Op.DELETE not in result.totals.counts
    assert await lab.get("ConfigMap", "a") == before
    assert lab.state("new").aliases == (lab.state("new").urn.replace("new", "old"),)


async def test_a_new_name_without_an_alias_is_refused_with_the_alias_to_write(lab: Lab) -> None:
    lab.write('config_map("old", name="a")')
    await lab.up()
    lab.write('config_map("new", name="a")')
    with pytest.raises(DeploymentFailed):
        await lab.up()
    assert "is already the resource 'kubernetes:core/v1:ConfigMap old' of this stack" in lab.errors()
    assert "aliases=[pulumi.Alias(name='old')]" in lab.errors()
    assert await lab.get("ConfigMap", "a") is not None


async def test_two_resources_cannot_be_one_object(lab: Lab) -> None:
    lab.write('config_map("one", name="a")\nconfig_map("two", name="a")\n')
    with pytest.raises(DeploymentFailed):
        await lab.preview()
    assert "of this program too" in lab.errors()


async def test_options_of_deletion(lab: Lab) -> None:
    lab.write(
        """
        if version == "1":
            config_map("kept", name="kept", opts=options(retain_on_delete=True))
            config_map("gone", name="gone")
            safe = config_map("safe", name="safe", opts=options(protect=True))
        else:
            safe = config_map("safe", name="safe", opts=options(protect=version == "2"))
        """
    )
    await lab.up("1")
    await lab.up("2")
    assert lab.ops() == {"kept": Op.FORGET, "gone": Op.DELETE}
    assert await lab.names("ConfigMap") == {"kept", "safe"}
    with pytest.raises(ResourceProtected, match="ConfigMap safe"):
        await lab.stack().destroy(lab.observe)
    assert await lab.names("ConfigMap") == {"kept", "safe"}
    await lab.up("3")
    await lab.stack().destroy(lab.observe)
    assert await lab.names("ConfigMap") == {"kept"}


async def test_deleted_with_is_left_to_the_other(lab: Lab) -> None:
    """The config map has a finalizer: deleted by itself it would hold up the destruction for ever."""
    lab.write(
        """
        home = k8s.core.v1.ServiceAccount("home", metadata={"name": "home", "namespace": NAMESPACE})
        config_map("guest", name="guest", finalizers=["example.dev/never"], opts=options(deleted_with=home))
        """
    )
    await lab.up()
    await lab.stack().destroy(lab.observe)
    maps = await lab.client.resource("v1", "ConfigMap")
    assert await lab.names("ConfigMap") == {"guest"}
    await lab.client.patch(maps, "guest", {"metadata": {"finalizers": None}}, lab.namespace)


async def test_ignored_changes_are_nobodys_business(lab: Lab) -> None:
    lab.write(
        DEPLOYMENT.replace(
            "            },\n        },\n    )",
            "            },\n        },\n        opts=options(ignore_changes=['spec.replicas']),\n    )",
        )
    )
    await lab.up("1")
    assert not (await lab.up("2")).changed, "the program's change is ignored"
    deployments = await lab.client.resource("apps/v1", "Deployment")
    await lab.client.patch(deployments, "web", {"spec": {"replicas": 3}}, lab.namespace, manager="somebody")
    result = await lab.up("2")
    assert set(result.totals.counts) == {Op.SAME}, "and so is drift"
    lab.write(
        (lab.root / "__main__.py").read_text().partition("labels =")[2].join(["labels =", ""]).replace("web:1", "web:2")
    )
    await lab.up("2")
    live = await lab.get("Deployment", "web", "apps/v1")
    assert live is not None
    assert live["spec"]["replicas"] == 3
    assert live["spec"]["template"]["spec"]["containers"][0]["image"].endswith("web:2")


async def test_any_change_can_be_made_a_replacement(lab: Lab) -> None:
    lab.write('config_map("a", name="a", labels={"v": version}, opts=options(replace_on_changes=["metadata.labels"]))')
    await lab.up("1")
    await lab.up("2")
    assert lab.ops() == {"a": Op.REPLACE}
    lab.write('config_map("a", name="a", labels={"v": "2"}, opts=options(replacement_trigger=version))')
    await lab.up("2")
    await lab.up("3")
    assert lab.ops() == {"a": Op.REPLACE}


async def test_secrets_stay_secret(lab: Lab) -> None:
    lab.write(
        """
        token = pulumi.Output.secret("hunter" + version)
        k8s.core.v1.Secret("s", metadata={"name": "s", "namespace": NAMESPACE}, string_data={"token": token})
        made = config_map("c", {"token": token}, name="c")
        pulumi.export("data", made.data)
        """
    )
    await lab.up("2")
    await lab.up("3")
    live = await lab.get("ConfigMap", "c")
    assert live is not None
    assert live["data"] == {"token": "hunter3"}
    shown = str(lab.events) + str(lab.fields("c")) + str(lab.fields("s"))
    stored = (lab.stack().folder / "state.json").read_text() + (lab.stack().folder / "state.json.bak").read_text()
    for text in (shown, stored):
        assert "hunter" not in text
        assert "aHVudGVy" not in text, "nor in base64"
    assert lab.stack().outputs()["data"] == Secret({"token": "hunter3"})


async def test_an_object_can_be_read_imported_and_patched(lab: Lab) -> None:
    maps = await lab.client.resource("v1", "ConfigMap")
    await lab.client.apply(
        maps, {"metadata": {"name": "theirs"}, "data": {"a": "1"}}, namespace=lab.namespace, manager="them"
    )
    lab.write(
        """
        seen = k8s.core.v1.ConfigMap.get("seen", f"{NAMESPACE}/theirs")
        pulumi.export("data", seen.data)
        """
    )
    result = await lab.up()
    assert result.outputs == {"data": {"a": "1"}}
    await lab.stack().destroy(lab.observe)
    assert await lab.names("ConfigMap") == {"theirs"}, "what is only read is not deleted"

    lab.write(
        """
        k8s.core.v1.ConfigMapPatch(
            "mine", metadata={"name": "theirs", "namespace": NAMESPACE, "labels": {"v": version}}
        )
        """
    )
    await lab.up("1")
    await lab.up("2")
    live = await lab.get("ConfigMap", "theirs")
    assert live is not None
    assert live["metadata"]["labels"] == {"v": "2"}
    await lab.stack().destroy(lab.observe)
    live = await lab.get("ConfigMap", "theirs")
    assert live is not None
    assert "labels" not in live["metadata"], "only the patched fields go"

    lab.write('config_map("own", {"a": version}, name="theirs", opts=options(import_=f"{NAMESPACE}/theirs"))')
    with pytest.raises(DeploymentFailed):
        await lab.up("2")
    assert "its inputs are not what" in lab.errors()
    assert "data.a" in lab.errors()
    await lab.up("1")
    assert (
        lab.ops() == {"lab-dev": Op.CREATE, "default_4_34_2": Op.CREATE, "own": Op.IMPORT}
        or lab.ops()["own"] is Op.IMPORT
    )
    assert not (await lab.up("1")).changed
    await lab.stack().destroy(lab.observe)
    assert await lab.names("ConfigMap") == set()


async def test_what_is_there_already_is_not_taken_over_silently(lab: Lab) -> None:
    maps = await lab.client.resource("v1", "ConfigMap")
    theirs: dict[str, Any] = {"metadata": {"name": "a"}, "data": {"a": "theirs"}}
    await lab.client.apply(maps, theirs, namespace=lab.namespace, manager="them")
    lab.write('config_map("a", name="a")')
    with pytest.raises(DeploymentFailed):
        await lab.up()
    assert "exists already and Footplate did not make it (its fields are managed by them)" in lab.errors()
    live = await lab.get("ConfigMap", "a")
    assert live is not None
    assert live["data"] == {"a": "theirs"}
    lab.write('config_map("a", name="a", opts=options(provider=k8s.Provider("cluster", upsert_existing_objects=True)))')
    await lab.up()
    live = await lab.get("ConfigMap", "a")
    assert live is not None
    assert live["data"] == {"a": "1"}
    assert any("took over ConfigMap" in message for message in lab.said())


async def test_what_footplate_made_is_found_again_when_the_state_was_lost(lab: Lab) -> None:
    lab.write(
        """
        config_map("a", name="a")
        # Of an object that is all name, a field manager is not easily known.
        k8s.core.v1.ServiceAccount("bare", metadata={"name": "bare", "namespace": NAMESPACE})
        """
    )
    await lab.up()
    (lab.stack().folder / "state.json").unlink()
    await lab.up()
    assert any("took over ConfigMap" in message for message in lab.said())
    assert any("took over ServiceAccount" in message for message in lab.said())
    assert not (await lab.up()).changed


async def test_a_namespace_takes_what_is_in_it_along_when_it_is_replaced(lab: Lab) -> None:
    lab.write(
        """
        home = k8s.core.v1.Namespace("home", metadata={"name": f"{NAMESPACE}-{version}"})
        inside = k8s.core.v1.ConfigMap("inside", metadata={"name": "a", "namespace": home.metadata["name"]}, data={})
        pulumi.export("where", inside.metadata["namespace"])
        """
    )
    await lab.up("1")
    result = await lab.up("2")
    assert lab.ops() == {"home": Op.REPLACE, "inside": Op.REPLACE}
    assert result.outputs["where"] == f"{lab.namespace}-2"
    assert await lab.get("Namespace", f"{lab.namespace}-1") is None
    await lab.stack().destroy(lab.observe)
    assert await lab.get("Namespace", f"{lab.namespace}-2") is None


async def test_what_people_have_in_a_namespace_is_told_before_it_goes(lab: Lab) -> None:
    lab.write(
        """
        if version == "1":
            k8s.core.v1.Namespace("home", metadata={"name": f"{NAMESPACE}-people"})
        """
    )
    await lab.up("1")
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
    }
    claims = await lab.client.resource("v1", "PersistentVolumeClaim")
    await lab.client.create(claims, claim, f"{lab.namespace}-people")
    await lab.preview("2")
    [step] = [e.step for e in lab.events if isinstance(e, StepDone) and e.step.name == "home"]
    assert step.takes_along == "1 volume of 2Gi"
    checked = CheckedStack(lab.stack(config={"version": "2"}), {}, {})
    with pytest.raises(
        ReplacementRefused, match="Namespace 'home' would be deleted, with 1 volume of 2Gi in it"
    ) as caught:
        await checked.up(lab.observe)
    assert "--allow-replace home" in (caught.value.remedy or "")
    assert await lab.get("Namespace", f"{lab.namespace}-people") is not None
    await CheckedStack(lab.stack(config={"version": "2"}), {}, {}, allow_replace=["home"]).up(lab.observe)
    assert await lab.get("Namespace", f"{lab.namespace}-people") is None
