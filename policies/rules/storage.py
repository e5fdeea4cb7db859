"""Where data lies: who reads it, whether it is encrypted, whether a slip destroys it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies import documents
from policies.rule import Finding, Level, Resource, ResourceRule, Settings, Severity, StackRule
from policies.values import at, is_unknown, mappings, may_be, texts

S3 = frozenset({"aws:s3/bucket:Bucket", "aws:s3/bucketV2:BucketV2"})
S3_BLOCK = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
S3_ACCOUNT_BLOCK = "aws:s3/accountPublicAccessBlock:AccountPublicAccessBlock"
S3_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
S3_ACL = frozenset({"aws:s3/bucketAcl:BucketAcl", "aws:s3/bucketAclV2:BucketAclV2"})
S3_VERSIONING = frozenset({"aws:s3/bucketVersioning:BucketVersioning", "aws:s3/bucketVersioningV2:BucketVersioningV2"})
GCS = "gcp:storage/bucket:Bucket"
GCS_GRANTS = frozenset({"gcp:storage/bucketIAMMember:BucketIAMMember", "gcp:storage/bucketIAMBinding:BucketIAMBinding"})
_FLAGS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_EVERYONE = frozenset({"allUsers", "allAuthenticatedUsers"})


def _public(resource: Resource, _: Settings) -> Iterator[str]:
    properties = resource.properties
    if resource.type in (S3_BLOCK, S3_ACCOUNT_BLOCK):
        for flag in _FLAGS:
            if not may_be(properties.get(flag), True):
                yield f"{flag} is not true: set it"
    elif resource.type in S3 or resource.type in S3_ACL:
        acl = properties.get("acl")
        if isinstance(acl, str) and acl.startswith(("public-", "authenticated-read")) and acl != "private":
            yield f"acl is {acl}: leave it out; who reads the bucket is said by IAM"
    elif resource.type == S3_POLICY:
        for statement in documents.statements(properties.get("policy")):
            if documents.allows(statement) and documents.anyone(statement) and not statement.get("Condition"):
                yield "policy admits everyone (Principal *): name who needs it, or add a Condition"
    elif resource.type == GCS:
        if not may_be(properties.get("publicAccessPrevention"), "enforced"):
            yield "publicAccessPrevention is not enforced: set it"
        if not may_be(properties.get("uniformBucketLevelAccess"), True):
            yield "uniformBucketLevelAccess is not true: objects can have access lists of their own; set it"
    else:
        members = texts(properties.get("member")) + texts(properties.get("members"))
        for member in _EVERYONE.intersection(members):
            yield f"{properties.get('role')} is granted to {member}: name who needs it"


def _closed(resource: Resource, settings: Settings) -> Mapping[str, Any] | None:
    if not any(_public(resource, settings)):
        return None
    if resource.type in (S3_BLOCK, S3_ACCOUNT_BLOCK):
        return dict.fromkeys(_FLAGS, True)
    if resource.type == GCS:
        return {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": True}
    return None


BUCKETS_PRIVATE = ResourceRule(
    name="bucket-public-access-blocked",
    description="Buckets cannot be made public, neither as a whole nor object by object.",
    severity=Severity.CRITICAL,
    source="CKV_AWS_53 to 56, CKV_AWS_20, CKV_AWS_70, CKV_GCP_28, CKV_GCP_29, CKV_GCP_114",
    types=S3 | S3_ACL | GCS_GRANTS | {S3_BLOCK, S3_ACCOUNT_BLOCK, S3_POLICY, GCS},
    check=_public,
    settings=Settings,
    level=Level.REMEDIATE,
    mend=_closed,
)


def _of_bucket(companion: Resource, bucket: Resource) -> bool:
    named = companion.properties.get("bucket")
    known = isinstance(named, str) and not is_unknown(named)
    return bucket.urn in companion.uses.get("bucket", ()) or (known and named == bucket.properties.get("bucket"))


def _unblocked(resources: Sequence[Resource], _: Settings) -> Iterator[Finding]:
    if any(resource.type == S3_ACCOUNT_BLOCK for resource in resources):
        return
    blocks = [resource for resource in resources if resource.type == S3_BLOCK]
    for bucket in resources:
        if bucket.type in S3 and not any(_of_bucket(block, bucket) for block in blocks):
            yield Finding("it has no BucketPublicAccessBlock: add one with all four settings", bucket.urn)


S3_BLOCKS = StackRule(
    name="s3-public-access-block",
    description="Each S3 bucket has a public access block, or the account has.",
    severity=Severity.HIGH,
    source="CKV2_AWS_6",
    types=S3 | {S3_BLOCK, S3_ACCOUNT_BLOCK},
    check=_unblocked,
    settings=Settings,
)


def _unversioned(resources: Sequence[Resource], _: Settings) -> Iterator[Finding]:
    versionings = [resource for resource in resources if resource.type in S3_VERSIONING]
    for bucket in resources:
        if bucket.type == GCS and not may_be(at(bucket.properties, "versioning.enabled"), True):
            yield Finding("versioning.enabled is not true: what is overwritten is lost; set it", bucket.urn)
        if bucket.type in S3 and not may_be(at(bucket.properties, "versioning.enabled"), True):
            own = [versioning for versioning in versionings if _of_bucket(versioning, bucket)]
            if not any(may_be(at(v.properties, "versioningConfiguration.status"), "Enabled") for v in own):
                yield Finding("it has no BucketVersioning with status Enabled: add one", bucket.urn)


BUCKETS_VERSIONED = StackRule(
    name="bucket-versioned",
    description="Buckets keep the former versions of objects.",
    severity=Severity.MEDIUM,
    source="CKV_AWS_21, CKV_GCP_78",
    types=S3 | S3_VERSIONING | {GCS},
    check=_unversioned,
    settings=Settings,
    level=Level.ADVISORY,
)


class DataProtection(Settings, frozen=True):
    #: Data stores must have Pulumi's `protect` option, or the cloud's own protection from deletion.
    require_protect: bool = True


_FORCED = {
    "aws:ecr/repository:Repository": "forceDelete",
    "aws:s3/bucket:Bucket": "forceDestroy",
    "aws:s3/bucketV2:BucketV2": "forceDestroy",
    GCS: "forceDestroy",
}
#: Data store → the property with which the cloud itself refuses to delete it; empty where it has none.
_STORES = {
    "aws:s3/bucket:Bucket": "",
    "aws:s3/bucketV2:BucketV2": "",
    "aws:efs/fileSystem:FileSystem": "",
    "aws:fsx/lustreFileSystem:LustreFileSystem": "",
    "aws:eks/cluster:Cluster": "deletionProtection",
    GCS: "",
    "gcp:container/cluster:Cluster": "deletionProtection",
    "gcp:filestore/instance:Instance": "deletionProtectionEnabled",
    "gcp:lustre/instance:Instance": "",
}


def _deletable(resource: Resource, settings: DataProtection) -> Iterator[str]:
    forced = _FORCED.get(resource.type)
    if forced and resource.properties.get(forced) is True:
        yield f"{forced} is true: it is deleted with all that is in it; leave it out"
    if resource.type not in _STORES or not settings.require_protect or resource.protect:
        return
    own = _STORES[resource.type]
    value = resource.properties.get(own) if own else False
    unset_is_on = resource.type == "gcp:container/cluster:Cluster" and value is None
    if not unset_is_on and not may_be(value, True):
        remedy = f"set {own} to true, or give it" if own else "give it"
        yield f"nothing keeps it from being deleted: {remedy} the resource option protect=True"


DATA_PROTECTION = ResourceRule(
    name="data-protected",
    description="Data stores and clusters are protected from deletion.",
    severity=Severity.HIGH,
    source="none",
    types=frozenset({*_FORCED, *_STORES}),
    check=_deletable,
    settings=DataProtection,
)


class Encryption(Settings, frozen=True):
    #: Also require keys of one's own (KMS, Cloud KMS), where the cloud would encrypt with its own.
    customer_keys: bool = False


#: Type → paths that must be true, as EC2 and EFS do not encrypt unless told.
_ENCRYPTED = {
    "aws:ebs/volume:Volume": ("encrypted",),
    "aws:efs/fileSystem:FileSystem": ("encrypted",),
}
_DEVICES = {
    "aws:ec2/launchTemplate:LaunchTemplate": ("blockDeviceMappings", "ebs.encrypted"),
    "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass": ("spec.blockDeviceMappings", "ebs.encrypted"),
    "aws:ec2/instance:Instance": ("ebsBlockDevices", "encrypted"),
}
_KEYS = {
    "aws:ebs/volume:Volume": "kmsKeyId",
    "aws:efs/fileSystem:FileSystem": "kmsKeyId",
    "aws:fsx/lustreFileSystem:LustreFileSystem": "kmsKeyId",
    "gcp:container/nodePool:NodePool": "nodeConfig.bootDiskKmsKey",
    "gcp:compute/instance:Instance": "bootDisk.kmsKeySelfLink",
    "gcp:filestore/instance:Instance": "kmsKeyName",
    "gcp:lustre/instance:Instance": "kmsKey",
    GCS: "encryption.defaultKmsKeyName",
}
_CLASS = "kubernetes:storage.k8s.io/v1:StorageClass"
_TRUE = (True, "true")


def _unencrypted(resource: Resource, settings: Encryption) -> Iterator[str]:
    properties = resource.properties
    for path in _ENCRYPTED.get(resource.type, ()):
        if not may_be(at(properties, path), *_TRUE):
            yield f"{path} is not true: set it"
    if resource.type in _DEVICES:
        devices, path = _DEVICES[resource.type]
        for index, device in enumerate(mappings(at(properties, devices))):
            if "noDevice" not in device and not may_be(at(device, path), *_TRUE):
                yield f"{devices}[{index}].{path} is not true: set it"
    if resource.type == "aws:ec2/instance:Instance" and not may_be(at(properties, "rootBlockDevice.encrypted"), *_TRUE):
        yield "rootBlockDevice.encrypted is not true: set it"
    on_ebs = resource.type == _CLASS and properties.get("provisioner") == "ebs.csi.aws.com"
    if on_ebs and not may_be(at(properties, "parameters.encrypted"), *_TRUE):
        yield 'parameters.encrypted is not "true": its volumes are not encrypted; set it'
    key = _KEYS.get(resource.type)
    if settings.customer_keys and key and at(properties, key) is None:
        yield f"{key} is unset: name a key of your own"


DISKS_ENCRYPTED = ResourceRule(
    name="disks-encrypted",
    description="Disks, volumes and file systems are encrypted.",
    severity=Severity.HIGH,
    source="CKV_AWS_3, CKV_AWS_8, CKV_AWS_42, CKV_GCP_37",
    types=frozenset({*_ENCRYPTED, *_DEVICES, *_KEYS, _CLASS}),
    check=_unencrypted,
    settings=Encryption,
)

RULES = (BUCKETS_PRIVATE, S3_BLOCKS, BUCKETS_VERSIONED, DATA_PROTECTION, DISKS_ENCRYPTED)
