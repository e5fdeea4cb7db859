"""In which zones Compute Engine offers which GPU machines.

Source: https://cloud.google.com/compute/docs/gpus/gpu-regions-zones, by way of SkyPilot's catalogue of 2026
(https://github.com/skypilot-org/skypilot-catalog, catalogs/v8/gcp/vms.csv), which reads Google's machine type and SKU APIs.
A zone missing here is no proof that Google has none there today: `gcloud compute accelerator-types list` tells.
"""

from __future__ import annotations

from collections.abc import Mapping


def _zones(text: str) -> frozenset[str]:
    """`us-east5:ab` is us-east5-a and us-east5-b."""
    return frozenset(
        f"{region}-{letter}"
        for region, _, letters in (part.partition(":") for part in text.split())
        for letter in letters
    )


#: Machine series, or machine type where it differs from its series → zones.
ZONES: Mapping[str, frozenset[str]] = {
    "n1+nvidia-tesla-t4": _zones(
        "asia-east1:ac asia-east2:ac asia-northeast1:ac asia-northeast3:bc asia-south1:ab asia-southeast1:abc asia-southeast2:ab "
        "australia-southeast1:ac europe-central2:bc europe-west1:bcd europe-west2:ab europe-west3:b europe-west4:abc me-west1:bc "
        "northamerica-northeast1:c southamerica-east1:abc us-central1:abcf us-east1:bcd us-east4:abc us-west1:ab us-west2:bc "
        "us-west3:b us-west4:ab"
    ),
    "n1+nvidia-tesla-v100": _zones("asia-east1:c europe-west4:abc us-central1:abcf us-east1:bc us-west1:ab"),
    "g2": _zones(
        "asia-east1:abc asia-northeast1:abc asia-northeast3:ab asia-south1:abc asia-southeast1:abc europe-west1:bc europe-west2:ab "
        "europe-west3:ab europe-west4:abc europe-west6:bc me-central2:ac northamerica-northeast1:bc northamerica-northeast2:ab "
        "us-central1:abc us-east1:bcd us-east4:ac us-west1:abc us-west4:ac"
    ),
    "a2-highgpu": _zones(
        "asia-northeast1:ac asia-northeast3:ab asia-southeast1:abc europe-west4:ab me-west1:ac us-central1:abcf us-east1:b "
        "us-west1:b us-west3:b us-west4:b"
    ),
    "a2-megagpu": _zones("asia-southeast1:ac europe-west4:ab us-central1:abcf"),
    "a2-ultragpu": _zones("asia-southeast1:c europe-west4:a us-central1:ac us-east4:c us-east5:ab"),
    "a3-highgpu": _zones(
        "asia-east1:c asia-northeast1:b asia-south1:c asia-south2:b asia-southeast1:bc australia-southeast1:c europe-north1:c "
        "europe-west1:bc europe-west3:c europe-west4:bc europe-west9:c us-central1:abc us-east4:abc us-east5:a us-west1:ab us-west4:a"
    ),
    "a3-megagpu": _zones(
        "asia-east1:c asia-northeast1:b asia-southeast1:bc australia-southeast1:c europe-north1:c europe-west1:bc europe-west3:c "
        "europe-west4:bc us-central1:abc us-east4:abc us-east5:a us-west1:ab us-west4:a"
    ),
    "a3-ultragpu": _zones(
        "asia-south1:b asia-south2:c europe-west1:b europe-west4:a us-central1:b us-east4:b us-east5:a us-south1:b us-west1:c"
    ),
    "a4-highgpu": _zones(
        "asia-northeast1:b asia-southeast1:b europe-north1:b europe-west4:b us-central1:b us-east1:b us-east4:b us-south1:b "
        "us-west2:c us-west3:bc"
    ),
}

#: Those that have any of them.
REGIONS: frozenset[str] = frozenset(zone.rpartition("-")[0] for zones in ZONES.values() for zone in zones)
