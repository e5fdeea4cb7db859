from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pulumi
import pytest

from footplate.images import index
from footplate.images.index import Built
from providers.contract import ClusterSpec, ObjectStoreSpec, ProviderError, RegistrySpec
from providers.local import LocalProvider

pytestmark = pytest.mark.usefixtures("pulumi_loop")

OPTS = pulumi.ResourceOptions()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {
        "FOOTPLATE_DATA": str(tmp_path / "data"),
        "FOOTPLATE_CACHE": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
    }


def embedded(environ: dict[str, str], name: str) -> Path:
    directory = Path(environ["FOOTPLATE_DATA"]) / "clusters" / name
    directory.mkdir(parents=True)
    (directory / "kubeconfig").write_text("{}")
    store = {
        "endpoint": "http://192.0.2.1:9000",
        "region": "r",
        "accessKey": "a",
        "secretKey": "s",
        "bucket": "footplate",
    }
    (directory / "object-store.json").write_bytes(msgspec.json.encode(store))
    return directory


def built(environ: dict[str, str], *names: str) -> None:
    directory = index.cache_directory(environ)
    directory.mkdir(parents=True)
    index.write(directory, {name: Built(f"footplate.local/{name}:abc", "sha256:0", "/archive") for name in names})


def test_the_embedded_cluster_brings_its_object_store(environ: dict[str, str]) -> None:
    embedded(environ, "other")
    store = LocalProvider(environ).object_store(ObjectStoreSpec(ClusterSpec("cluster", "other"), ["research"]), OPTS)
    assert store.endpoint == "http://192.0.2.1:9000"
    assert store.state_uri == "s3://footplate/state"
    assert store.team_uris == {"research": "s3://footplate/teams/research"}
    assert store.credentials.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def test_its_kubeconfig_in_the_environment_means_the_embedded_cluster_too(environ: dict[str, str]) -> None:
    environ["KUBECONFIG"] = str(embedded(environ, "other") / "kubeconfig")
    store = LocalProvider(environ).object_store(ObjectStoreSpec(ClusterSpec("cluster"), ["a"]), OPTS)
    assert store.endpoint == "http://192.0.2.1:9000"


def test_a_configured_object_store_wins_and_needs_no_keys(environ: dict[str, str]) -> None:
    store = LocalProvider(environ).object_store(
        ObjectStoreSpec(ClusterSpec("cluster"), ["a"], uri="gs://bucket/footplate/"), OPTS
    )
    assert store.state_uri == "gs://bucket/footplate/state"
    assert store.team_uris == {"a": "gs://bucket/footplate/teams/a"}
    assert store.credentials == {}


def test_without_any_cluster_the_remedy_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(ProviderError, match=r"footplate cluster start.*footplate:context"):
        LocalProvider(environ).object_store(ObjectStoreSpec(ClusterSpec("cluster"), ["a"]), OPTS)


KIND = ClusterSpec("cluster", context="kind-dev")


def test_another_cluster_gets_an_object_store_of_its_own(
    environ: dict[str, str], register: Callable[[Callable[[], object]], Any]
) -> None:
    embedded(environ, "default")

    def program() -> None:
        keys = pulumi.Output.secret("id"), pulumi.Output.secret("key")
        spec = ObjectStoreSpec(KIND, ["a"], image="versitygw:1", access_key=keys[0], secret_key=keys[1])
        store = LocalProvider(environ).object_store(spec, OPTS)
        assert store.endpoint == "http://object-store.footplate-object-store.svc:7070"
        assert store.team_uris == {"a": "s3://footplate/teams/a"}

    registered = register(program)
    (container,) = registered.of(":Deployment")["object-store"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "versitygw:1"
    assert container["volumeMounts"] == [{"name": "data", "mountPath": "/data/footplate", "subPath": "footplate"}]


def test_an_object_store_in_the_cluster_needs_its_keys(environ: dict[str, str]) -> None:
    with pytest.raises(ProviderError, match="footplate:objectStoreAccessKey"):
        LocalProvider(environ).object_store(ObjectStoreSpec(KIND, ["a"]), OPTS)


def test_images_are_those_built_here_or_their_copies_in_a_registry(environ: dict[str, str]) -> None:
    built(environ, "platform", "jupyter")
    provider = LocalProvider(environ)
    assert provider.registry(RegistrySpec(["jupyter"])).platform_image == "footplate.local/platform:abc"
    pushed = provider.registry(RegistrySpec(["jupyter"], prefix="registry.example/ml/"))
    assert pushed.environments["jupyter"].reference == "registry.example/ml/jupyter:abc"
    assert provider.registry(RegistrySpec([], platform_image="own:1")).platform_image == "own:1"


def test_an_image_that_is_not_built_or_not_known_is_named(environ: dict[str, str]) -> None:
    built(environ, "platform")
    provider = LocalProvider(environ)
    with pytest.raises(ProviderError, match="footplate images build pytorch"):
        provider.registry(RegistrySpec(["pytorch"]))
    with pytest.raises(ProviderError, match=r"footplate:standardEnvironments.*'pytroch'"):
        provider.registry(RegistrySpec(["pytroch"]))


def test_the_cluster_is_the_configured_context_else_the_embedded_one(
    environ: dict[str, str], register: Callable[[Callable[[], object]], Any]
) -> None:
    directory = embedded(environ, "default")
    provider = LocalProvider(environ)
    registered = register(
        lambda: (
            provider.cluster(ClusterSpec("embedded"), OPTS),
            provider.cluster(ClusterSpec("kind", context="kind-dev"), OPTS),
        )
    )
    clusters = registered.of("pulumi:providers:kubernetes")
    assert clusters["embedded"]["kubeconfig"] == str(directory / "kubeconfig")
    assert clusters["kind"]["context"] == "kind-dev"
    assert "kubeconfig" not in clusters["kind"]
