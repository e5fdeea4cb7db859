import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pulumi
import pytest

from footplate.images import index
from footplate.images.index import Built
from providers import select, spec
from providers.contract import (
    ClusterSpec,
    GpuPoolSpec,
    Network,
    NetworkSpec,
    ObjectStoreSpec,
    ProviderError,
    RegistrySpec,
    SharedFilesystemSpec,
    Site,
)
from providers.local import LocalProvider

pytestmark = pytest.mark.usefixtures("pulumi_loop")

OPTS = pulumi.ResourceOptions()
SITE = Site("footplate-local")


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
    store = LocalProvider(SITE, environ).object_store(
        ObjectStoreSpec(ClusterSpec("cluster", "other"), ["research"]), OPTS
    )
    assert store.endpoint == "http://192.0.2.1:9000"
    assert store.state_uri == "s3://footplate/state"
    assert store.team_uris == {"research": "s3://footplate/teams/research"}
    assert store.credentials.keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def test_its_kubeconfig_in_the_environment_means_the_embedded_cluster_too(environ: dict[str, str]) -> None:
    environ["KUBECONFIG"] = str(embedded(environ, "other") / "kubeconfig")
    store = LocalProvider(SITE, environ).object_store(ObjectStoreSpec(ClusterSpec("cluster"), ["a"]), OPTS)
    assert store.endpoint == "http://192.0.2.1:9000"


def test_a_configured_object_store_wins_and_needs_no_keys(environ: dict[str, str]) -> None:
    store = LocalProvider(SITE, environ).object_store(
        ObjectStoreSpec(ClusterSpec("cluster"), ["a"], uri="gs://bucket/footplate/"), OPTS
    )
    assert store.state_uri == "gs://bucket/footplate/state"
    assert store.team_uris == {"a": "gs://bucket/footplate/teams/a"}
    assert store.credentials == {}


def test_without_any_cluster_the_remedy_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(ProviderError, match=r"footplate cluster start.*footplate:context"):
        LocalProvider(SITE, environ).object_store(ObjectStoreSpec(ClusterSpec("cluster"), ["a"]), OPTS)


KIND = ClusterSpec("cluster", context="kind-dev")


def test_another_cluster_gets_an_object_store_of_its_own(
    environ: dict[str, str], register: Callable[[Callable[[], object]], Any]
) -> None:
    embedded(environ, "default")

    def program() -> None:
        keys = pulumi.Output.secret("id"), pulumi.Output.secret("key")
        asked = ObjectStoreSpec(KIND, ["a"], image="versitygw:1", access_key=keys[0], secret_key=keys[1])
        store = LocalProvider(SITE, environ).object_store(asked, OPTS)
        assert store.endpoint == "http://object-store.footplate-object-store.svc:7070"
        assert store.team_uris == {"a": "s3://footplate/teams/a"}

    registered = register(program)
    (container,) = registered.of(":Deployment")["object-store"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "versitygw:1"
    assert container["volumeMounts"] == [{"name": "data", "mountPath": "/data/footplate", "subPath": "footplate"}]


def test_an_object_store_in_the_cluster_needs_its_keys(environ: dict[str, str]) -> None:
    with pytest.raises(ProviderError, match="footplate:objectStoreAccessKey"):
        LocalProvider(SITE, environ).object_store(ObjectStoreSpec(KIND, ["a"]), OPTS)


def test_images_are_those_built_here_or_their_copies_in_a_registry(environ: dict[str, str]) -> None:
    built(environ, "platform", "jupyter")
    provider = LocalProvider(SITE, environ)
    assert provider.registry(RegistrySpec(["jupyter"]), OPTS).platform_image == "footplate.local/platform:abc"
    pushed = provider.registry(RegistrySpec(["jupyter"], prefix="registry.example/ml/"), OPTS)
    assert pushed.environments["jupyter"].reference == "registry.example/ml/jupyter:abc"
    assert provider.registry(RegistrySpec([], platform_image="own:1"), OPTS).platform_image == "own:1"


def test_an_image_that_is_not_built_or_not_known_is_named(environ: dict[str, str]) -> None:
    built(environ, "platform")
    provider = LocalProvider(SITE, environ)
    with pytest.raises(ProviderError, match="footplate images build pytorch"):
        provider.registry(RegistrySpec(["pytorch"]), OPTS)
    with pytest.raises(ProviderError, match=r"footplate:standardEnvironments.*'pytroch'"):
        provider.registry(RegistrySpec(["pytroch"]), OPTS)


def test_the_cluster_is_the_configured_context_else_the_embedded_one(
    environ: dict[str, str], register: Callable[[Callable[[], object]], Any]
) -> None:
    directory = embedded(environ, "default")
    provider = LocalProvider(SITE, environ)
    registered = register(
        lambda: (
            provider.cluster(ClusterSpec("embedded"), OPTS),
            provider.cluster(ClusterSpec("kind", context="kind-dev"), OPTS),
            provider.cluster(ClusterSpec("by-context", context="footplate-default"), OPTS),
        )
    )
    clusters = registered.of("pulumi:providers:kubernetes")
    assert clusters["embedded"]["kubeconfig"] == str(directory / "kubeconfig")
    assert clusters["by-context"] == clusters["embedded"], "however it is named, nothing changes"
    assert clusters["kind"]["context"] == "kind-dev"
    assert "kubeconfig" not in clusters["kind"]


@pytest.mark.parametrize("key", ["account", "region", "zones"])
def test_a_local_stack_has_no_place_in_a_cloud(key: str) -> None:
    site = Site("footplate-local", **{key: ("a",) if key == "zones" else "a"})
    with pytest.raises(ProviderError, match=f"footplate:{key}: .*remove the key"):
        LocalProvider(site)


POOL = GpuPoolSpec(spec.GpuPool("train", "H100", 2, 8), cast(Any, None), Network(), "footplate:gpuPools[0]")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda p: p.network(NetworkSpec("network", spec.Network()), OPTS), "footplate:network: .*remove the key"),
        (
            lambda p: p.cluster(ClusterSpec("c", asked=spec.Kubernetes()), OPTS),
            "footplate:kubernetes: .*remove the key",
        ),
        (lambda p: p.gpu_pool(POOL, OPTS), r"footplate:gpuPools\[0\]: .*--gpu H100:8"),
        (
            lambda p: p.shared_filesystem(
                SharedFilesystemSpec(cast(Any, None), Network(), cast(Any, None), shared=spec.SharedFilesystem()), OPTS
            ),
            "footplate:sharedFilesystem: .*remove the key",
        ),
        (
            lambda p: p.shared_filesystem(
                SharedFilesystemSpec(cast(Any, None), Network(), cast(Any, None), scratch=spec.Scratch()), OPTS
            ),
            "footplate:scratch: .*remove the key",
        ),
        (lambda p: p.offload_target(cast(Any, None), OPTS), r"footplate:offload\.enabled: .*set it to false"),
        (lambda p: p.ingress(cast(Any, None), OPTS), "footplate:ingress: .*remove the key"),
        (
            lambda p: p.object_store(ObjectStoreSpec(KIND, ["a"], asked=spec.Storage("acme")), OPTS),
            "footplate:storage: .*footplate:objectStore",
        ),
    ],
)
def test_what_a_local_cluster_cannot_do_is_refused_by_its_field(
    environ: dict[str, str], ask: Callable[[LocalProvider], object], message: str
) -> None:
    with pytest.raises(ProviderError, match=message):
        ask(LocalProvider(SITE, environ))


def test_a_provider_is_chosen_by_its_name() -> None:
    assert isinstance(select("local", SITE), LocalProvider)
    with pytest.raises(
        ProviderError, match="footplate:provider: there is no provider 'azure'; this version has: local, aws"
    ):
        select("azure", SITE)


def test_a_local_stack_imports_no_clouds_sdk() -> None:
    program = "import sys, components.platform, providers; from providers.contract import Site\n"
    program += "providers.select('local', Site('x'))\n"
    program += "sys.exit(', '.join(name for name in ('pulumi_aws', 'pulumi_gcp') if name in sys.modules) or None)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.strip()) == (0, "")
