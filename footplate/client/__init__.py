"""What the `footplate` command and the SDK both do: find the cluster, snapshot code, submit, wait, follow, open.

Asynchronous; a `Session` is passed in. Nothing here prints: progress goes to a `Report`, failures are `FootplateError`s.
"""
