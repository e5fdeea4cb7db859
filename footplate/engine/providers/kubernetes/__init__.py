"""Kubernetes objects as Pulumi resources, by server-side apply with field manager `footplate`.

Follows pulumi-kubernetes 4 in names, ids, namespaces, what forces a replacement, what is waited for, and in the shape of
state (`__inputs`, `__initialApiVersion`, `__fieldManager`), so that either can go on from the other's state. On purpose
otherwise: drift is seen and repaired without a refresh; creation applies, and an object that is there already is taken
over only where Footplate applied it before or `upsertExistingObjects` is set.
"""
