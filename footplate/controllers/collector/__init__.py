"""Where pods report what they do: HTTP, authenticated by each pod's own projected token.

Only the leading replica listens to reports, because it decides by them: a Service without a selector leads to it, whose
one address the leader writes when it begins to lead (`address`). Another replica answers 503, and the pod tries again.
Reports are kept in memory alone: a pod's next one says all that its former said, so nothing is lost with a replica
that is not there again within a reporting interval, and until then nothing is decided. The API server hears of a
report only where it changes what people see.
"""
