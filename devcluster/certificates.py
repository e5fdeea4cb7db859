"""A cluster's keys and certificates: two authorities, one certificate an identity, renewed well before they expire."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devcluster.paths import ClusterPaths
from devcluster.plan import write_atomically

LEAF_LIFETIME = timedelta(days=730)
AUTHORITY_LIFETIME = timedelta(days=3650)
RENEW_BEFORE = timedelta(days=365)
CLUSTER_AUTHORITY = "ca"
FRONT_PROXY_AUTHORITY = "front-proxy-ca"
SERVICE_ACCOUNT_KEY = "service-account"


@dataclass(frozen=True)
class Leaf:
    """One identity. `names` are the DNS names and addresses that it serves; none makes a client certificate only."""

    name: str
    common_name: str
    organization: str = ""
    names: tuple[str, ...] = ()
    authority: str = CLUSTER_AUTHORITY


def leaves(node_name: str, addresses: Sequence[str], service_address: str) -> tuple[Leaf, ...]:
    """What a cluster needs, after https://kubernetes.io/docs/setup/best-practices/certificates/."""
    local = ("localhost", "127.0.0.1", *addresses)
    kubernetes = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    masters = "system:masters"
    return (
        Leaf("etcd", "etcd", names=local),
        Leaf("apiserver", "kube-apiserver", names=(*local, *kubernetes, service_address)),
        Leaf("apiserver-kubelet-client", "kube-apiserver-kubelet-client", masters),
        Leaf("front-proxy-client", "front-proxy-client", authority=FRONT_PROXY_AUTHORITY),
        Leaf("admin", "footplate-admin", masters),
        Leaf("controller-manager", "system:kube-controller-manager", names=local),
        Leaf("scheduler", "system:kube-scheduler", names=local),
        Leaf("kwok", "footplate:kwok", masters),
        Leaf("provisioner", "footplate:provisioner", masters),
        Leaf("coredns", "footplate:coredns", masters),
        Leaf("kube-proxy", "system:kube-proxy"),
        Leaf("kubelet", f"system:node:{node_name}", "system:nodes", names=(node_name, *local)),
    )


def ensure(paths: ClusterPaths, wanted: Sequence[Leaf], now: datetime) -> list[str]:
    """Write what is missing, damaged, near its end or for other names; returns the names of what was written.

    Damaged: it cannot be read, or key, certificate and authority do not belong together. `follows` says what comes of it.
    """
    paths.pki.mkdir(parents=True, exist_ok=True)
    paths.pki.chmod(0o700)
    written: list[str] = []
    for authority in (CLUSTER_AUTHORITY, FRONT_PROXY_AUTHORITY):
        certificate = _read(paths, authority)
        if certificate is None or _expires_soon(certificate, now):
            _write_authority(paths, authority, now)
            written.append(authority)
    if _write_service_account_key(paths):
        written.append(SERVICE_ACCOUNT_KEY)
    for leaf in wanted:
        certificate = _read(paths, leaf.name)
        issued = certificate is not None and _issued_by(certificate, paths, leaf.authority)
        if certificate is None or not issued or not is_good(certificate, leaf, now):
            _write_leaf(paths, leaf, now)
            written.append(leaf.name)
    return written


def follows(written: Sequence[str]) -> list[str]:
    """Sentences on what comes of having made these anew in a cluster that was there."""
    told: list[str] = []
    if CLUSTER_AUTHORITY in written:
        told.append(
            "The cluster's certificate authority was damaged or near its end, and is a new one: copies of its kubeconfig "
            "made elsewhere are worthless, and pods that speak to the API server must be restarted."
        )
    elif FRONT_PROXY_AUTHORITY in written:
        told.append("The front proxy's certificate authority was damaged or near its end, and is a new one.")
    if SERVICE_ACCOUNT_KEY in written:
        told.append(
            "The key of service accounts' tokens was damaged, and is a new one: pods get new tokens within some two "
            "minutes; tokens made with `kubectl create token` are worthless."
        )
    if written and not told:
        told.append(f"Certificates made anew: {', '.join(written)}; what uses them is restarted.")
    return told


def _write_service_account_key(paths: ClusterPaths) -> bool:
    """True where it is a new one. Its public half alone can be had from it again."""
    public_file, key_file = paths.service_account_public_key, paths.key(SERVICE_ACCOUNT_KEY)
    found = _read_key(key_file)
    key = found or _new_key()
    public = _public_pem(key.public_key())
    if not public_file.exists() or public_file.read_bytes() != public:
        write_atomically(public_file, public)
    if found is None:
        write_atomically(key_file, _key_pem(key))
    return found is None


def is_good(certificate: x509.Certificate, leaf: Leaf, now: datetime) -> bool:
    return not _expires_soon(certificate, now) and set(leaf.names) <= _served_names(certificate)


def _expires_soon(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_after_utc - now < RENEW_BEFORE


def _served_names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    return set(names.get_values_for_type(x509.DNSName)) | {str(a) for a in names.get_values_for_type(x509.IPAddress)}


def _read(paths: ClusterPaths, name: str) -> x509.Certificate | None:
    """None where it is not there, cannot be read, or is not of its key."""
    key = _read_key(paths.key(name))
    try:
        certificate = x509.load_pem_x509_certificate(paths.certificate(name).read_bytes())
    except (OSError, ValueError):
        return None
    return certificate if key is not None and certificate.public_key() == key.public_key() else None


def _read_key(file: Path) -> ec.EllipticCurvePrivateKey | None:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def _issued_by(certificate: x509.Certificate, paths: ClusterPaths, authority: str) -> bool:
    try:
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(paths.certificate(authority).read_bytes()))
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(common_name: str, organization: str = "") -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, life: timedelta):
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + life)
    )


def _store(paths: ClusterPaths, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    write_atomically(paths.key(name), _key_pem(key))
    write_atomically(paths.certificate(name), certificate.public_bytes(serialization.Encoding.PEM))


def _write_authority(paths: ClusterPaths, name: str, now: datetime) -> None:
    key = _new_key()
    subject = _name(f"footplate-{name}")
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        _builder(subject, subject, key.public_key(), now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    _store(paths, name, key, certificate)


def _write_leaf(paths: ClusterPaths, leaf: Leaf, now: datetime) -> None:
    authority = x509.load_pem_x509_certificate(paths.certificate(leaf.authority).read_bytes())
    authority_key = serialization.load_pem_private_key(paths.key(leaf.authority).read_bytes(), None)
    assert isinstance(authority_key, ec.EllipticCurvePrivateKey)
    key = _new_key()
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if leaf.names else [])]
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        _builder(_name(leaf.common_name, leaf.organization), authority.subject, key.public_key(), now, LEAF_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    if leaf.names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in dict.fromkeys(leaf.names)]), critical=False
        )
    _store(paths, leaf.name, key, builder.sign(authority_key, hashes.SHA256()))


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def utc_now() -> datetime:
    return datetime.now(UTC)
