"""Snapshots of a workspace's home, made and restored by restic: what the pod of a `HomeTask` runs."""
