"""What a stack costs an hour, before it is made: planned resources → charges (rules of a cloud) → prices (a dated table).

Nothing here imports Pulumi or calls a cloud. A rule says how many of which priced thing a resource is, at the minimum and
at the autoscaler's maximum; `estimate` looks the prices up. What has no price is listed as such and never counts as 0.
"""
