"""What runs beside a job's own process: ``prepare`` before it, ``sync`` beside it, ``launch`` around it.

``prepare`` and ``sync`` run in the platform image; ``launch`` is one file of the standard library, put into the pod by
``prepare``, and runs with whatever Python the job's image has.
"""
