"""CrossGuard policies for GPU platforms: rules on plain resource inputs, whatever program made them.

`rules` has the rules, importable one by one; `pack` makes Pulumi policies of them; `settings/` says what counts where;
`report` turns what a preview found into text, JSON or SARIF.
"""
