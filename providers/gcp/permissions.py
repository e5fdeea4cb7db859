"""Every permission that the platform's custom roles have on Google Cloud, and what it is for.

Source of the names: https://cloud.google.com/iam/docs/permissions-reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Role:
    """`permissions`: name → reason."""

    title: str
    permissions: Mapping[str, str]


_READ = {
    "storage.objects.get": "reads datasets, code and checkpoints",
    "storage.objects.list": "finds the newest checkpoint, and the files of a dataset",
    "storage.buckets.get": "Cloud Storage FUSE looks at the bucket before it mounts it",
}

ROLES: Mapping[str, Role] = {
    "node": Role(
        "Nodes of the cluster",
        {
            "logging.logEntries.create": "the node's agent writes the logs of pods",
            "monitoring.metricDescriptors.create": "the first time that a metric is written",
            "monitoring.metricDescriptors.list": "the node's agent looks up what it may write",
            "monitoring.timeSeries.create": "the node's agent writes metrics of nodes, pods and GPUs",
            "autoscaling.sites.writeMetrics": "the node's agent reports its load to the autoscaler",
        },
    ),
    "pull": Role(
        "Pulling images",
        {"artifactregistry.repositories.downloadArtifacts": "pulls the images of the stack's own repository"},
    ),
    "data-read": Role("Reading data", _READ),
    "data-write": Role(
        "Reading and writing data",
        {
            **_READ,
            "storage.objects.create": "writes checkpoints, outputs and snapshots of homes",
            "storage.objects.delete": "removes checkpoints that are not kept, and replaces files",
            "storage.objects.update": "Cloud Storage FUSE keeps times and attributes of files",
            "storage.multipartUploads.create": "begins the upload of a large checkpoint in parts",
            "storage.multipartUploads.abort": "gives an interrupted upload up",
            "storage.multipartUploads.list": "finds uploads that were interrupted",
            "storage.multipartUploads.listParts": "goes on with an upload where it stopped",
        },
    ),
    "offload-submit": Role(
        "Submitting jobs to Vertex AI",
        {
            "aiplatform.customJobs.create": "submits a training job",
            "aiplatform.customJobs.get": "follows its state",
            "aiplatform.customJobs.list": "finds a job again by its label after a restart",
            "aiplatform.customJobs.cancel": "cancels it with the TrainingJob",
        },
    ),
    "offload-run": Role(
        "Jobs on Vertex AI",
        {
            "logging.logEntries.create": "the job's output is kept in Cloud Logging",
            "monitoring.timeSeries.create": "the use of the job's machines is measured",
        },
    ),
    "offload-network": Role(
        "Vertex AI's machines in the stack's network",
        {
            "compute.networkAttachments.get": "Vertex AI looks the attachment up before it connects a job's machines",
            "compute.networkAttachments.update": "Vertex AI admits the machines of a job to it",
            "compute.regionOperations.get": "Vertex AI waits for that",
        },
    ),
    "act-as": Role(
        "Starting jobs as an identity",
        {"iam.serviceAccounts.actAs": "a job is started as its team's identity; granted on that identity alone"},
    ),
    "dns-zones": Role(
        "Finding DNS zones", {"dns.managedZones.list": "external-dns and cert-manager find the zone of a name"}
    ),
    "dns-records": Role(
        "Writing records of one DNS zone",
        {
            "dns.changes.create": "every change of records is a change request",
            "dns.changes.get": "waits for the change",
            "dns.changes.list": "sees changes under way",
            "dns.resourceRecordSets.create": "records of the ingress, and of certificate challenges",
            "dns.resourceRecordSets.delete": "records of what is gone",
            "dns.resourceRecordSets.get": "compares a record with what it should be",
            "dns.resourceRecordSets.list": "compares the zone with what it should be",
            "dns.resourceRecordSets.update": "an address that changed",
        },
    ),
    "cluster-access": Role(
        "Reaching the cluster's API server",
        {
            "container.clusters.get": "`gcloud container clusters get-credentials`",
            "container.clusters.connect": "reaches the API server by its DNS name; what may be done there is RBAC's",
        },
    ),
}

#: Predefined roles in use, each on one resource alone, and why no custom role takes its place.
PREDEFINED: Mapping[str, str] = {
    "roles/iam.workloadIdentityUser": "on one service account, for one Kubernetes service account: Google's own name for the link",
    "roles/cloudkms.cryptoKeyEncrypterDecrypter": "on one key, for Google's own service agents, which take no custom role",
}
