"""A small asynchronous Kubernetes client: requests, server-side apply, watches, exec, and what controllers need.

Knows nothing of the rest of the project.
"""

from footplate.kube.client import Client
from footplate.kube.connection import Connection, in_cluster_connection, load_connection
from footplate.kube.decoding import Event, Listing, Object
from footplate.kube.resource import Resource

__all__ = [
    "Client",
    "Connection",
    "Event",
    "Listing",
    "Object",
    "Resource",
    "in_cluster_connection",
    "load_connection",
]
