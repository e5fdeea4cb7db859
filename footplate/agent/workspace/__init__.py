"""The agent in a workspace's container: it starts the user's server, and tells the platform whether the workspace is in use.

`start` is the container's first process: it starts the server (JupyterLab, or another IDE) and the observer beside it, and
starts the observer again when it dies. `observer` looks at processes, terminals and GPUs, asks the server about its
kernels through `jupyter`, an extension in it, and reports. Nothing here needs more than the rights of the user.
"""
