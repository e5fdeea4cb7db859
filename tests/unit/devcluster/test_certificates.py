from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from devcluster import certificates
from devcluster.certificates import Leaf
from devcluster.layout import Layout

NOW = certificates.utc_now()


def test_certificates_are_written_once_and_again_when_they_near_their_end(full: Layout) -> None:
    assert certificates.ensure(full.paths, full.leaves(), NOW) == []
    leaf_renewal = NOW + certificates.LEAF_LIFETIME - certificates.RENEW_BEFORE + timedelta(days=1)
    assert set(certificates.ensure(full.paths, full.leaves(), leaf_renewal)) == {leaf.name for leaf in full.leaves()}


def test_a_new_address_renews_only_what_serves_it(full: Layout) -> None:
    moved = certificates.leaves(full.spec.node_name, ("10.199.9.2",), full.endpoints.service_address)
    written = certificates.ensure(full.paths, moved, NOW)
    assert set(written) == {leaf.name for leaf in moved if leaf.names}


def test_a_damaged_key_is_replaced(full: Layout) -> None:
    full.paths.key("admin").write_text("not a key")
    assert certificates.ensure(full.paths, full.leaves(), NOW) == ["admin"]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize("kind", ["key", "crt"])
@pytest.mark.parametrize("name", ["admin", "apiserver", "kubelet"])
def test_what_was_cut_off_is_made_anew_and_nothing_else(full: Layout, name: str, kind: str) -> None:
    cut(full.paths.pki / f"{name}.{kind}")
    assert certificates.ensure(full.paths, full.leaves(), NOW) == [name]
    assert certificates.ensure(full.paths, full.leaves(), NOW) == []


def test_a_key_that_is_not_the_certificates_is_noticed(full: Layout) -> None:
    full.paths.key("admin").write_bytes(full.paths.key("scheduler").read_bytes())
    assert certificates.ensure(full.paths, full.leaves(), NOW) == ["admin"]


@pytest.mark.parametrize("kind", ["key", "crt"])
def test_a_damaged_authority_takes_along_what_it_issued(full: Layout, kind: str) -> None:
    cut(full.paths.pki / f"ca.{kind}")
    issued = {leaf.name for leaf in full.leaves() if leaf.authority == "ca"}
    written = certificates.ensure(full.paths, full.leaves(), NOW)
    assert set(written) == {"ca", *issued}
    assert "copies of its kubeconfig" in certificates.follows(written)[0]


def test_a_certificate_of_a_former_authority_is_replaced(full: Layout) -> None:
    former = full.paths.certificate("admin").read_bytes(), full.paths.key("admin").read_bytes()
    cut(full.paths.key("ca"))
    certificates.ensure(full.paths, full.leaves(), NOW)
    full.paths.certificate("admin").write_bytes(former[0])
    full.paths.key("admin").write_bytes(former[1])
    assert certificates.ensure(full.paths, full.leaves(), NOW) == ["admin"]


def test_the_key_of_tokens_is_replaced_only_where_it_is_damaged_itself(full: Layout) -> None:
    key, public = full.paths.key("service-account"), full.paths.service_account_public_key
    before = key.read_bytes(), public.read_bytes()
    cut(public)
    assert certificates.ensure(full.paths, full.leaves(), NOW) == []
    assert (key.read_bytes(), public.read_bytes()) == before
    cut(key)
    written = certificates.ensure(full.paths, full.leaves(), NOW)
    assert written == ["service-account"]
    assert "pods get new tokens" in certificates.follows(written)[0]
    assert public.read_bytes() != before[1]


def test_keys_are_for_their_owner_only_and_identities_are_kubernetes_own(full: Layout) -> None:
    assert all(path.stat().st_mode & 0o077 == 0 for path in full.paths.pki.iterdir())
    kubelet = x509.load_pem_x509_certificate(full.paths.certificate("kubelet").read_bytes())
    assert kubelet.subject.rfc4514_string() == "CN=system:node:footplate-dev,O=system:nodes"
    served = kubelet.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert full.endpoints.address in {str(address) for address in served.get_values_for_type(x509.IPAddress)}


def test_a_client_certificate_serves_no_name(full: Layout) -> None:
    certificates.ensure(full.paths, [Leaf("someone", "someone")], NOW)
    someone = x509.load_pem_x509_certificate(full.paths.certificate("someone").read_bytes())
    usages = someone.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH]
