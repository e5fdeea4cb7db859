"""A port of this machine's loopback that leads to a workspace, by way of the API server's port-forward.

One process a workspace serves it in the background (`__main__`, `forwarder`) and outlives the command that started it.
A record (`record`) names its port, which stays the same from one open to the next; the process holds a lock on the
record for as long as it lives, so that a record whose process was killed is seen to be stale. `opening` starts, reuses,
replaces and ends it.
"""
