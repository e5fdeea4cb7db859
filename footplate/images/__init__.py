"""Builds the platform's own image and the standard environments, and brings them to a cluster or a registry.

``inputs`` says what an image is made of and derives its tag from that; ``buildah`` and ``docker`` are the two
builders; ``build`` skips what is built, runs the rest under a lock and writes the index; ``delivery`` loads an
archive into a cluster or pushes it.
"""
