"""What each rule passes and what it finds, as plain inputs of resources."""

from __future__ import annotations

from tests.unit.policies.cases_access import IDENTITY, NETWORK, STORAGE
from tests.unit.policies.cases_clusters import CLUSTERS, NODES
from tests.unit.policies.cases_use import COST, GPUS, KUBERNETES, OFFLOAD

CASES = (*CLUSTERS, *NODES, *NETWORK, *STORAGE, *IDENTITY, *KUBERNETES, *GPUS, *COST, *OFFLOAD)
