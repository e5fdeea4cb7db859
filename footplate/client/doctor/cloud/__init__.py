"""Is the cloud account ready for a stack, and is anything left of one? With the cloud's own client library, an optional extra
of the package; without it, without credentials or without a permission each check says so in a sentence."""
