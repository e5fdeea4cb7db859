"""Runs an ordinary Pulumi Python program without the Pulumi CLI, and keeps its state as Pulumi does.

    program (child process)  --RegisterResource-->  monitor  -->  deployment  -->  providers  -->  cluster
                                                                      |
                                                                  state file (Pulumi's deployment, version 3)

`stack.Stack` is the way in: preview, up, refresh, destroy, outputs. `kubernetes:*` resources are applied; resources
of other providers, and Helm releases, can be previewed and need the Pulumi CLI to be created. Where that CLI is on
PATH, `pulumi_cli` drives it instead, with the same events.

What the real engine does and this one refuses, each with a sentence that names the resource: remote components
(`yaml/v2`, `helm/v4`), stack references, transforms, hooks, state migrations, parameterized packages.
"""
