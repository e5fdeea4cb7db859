"""Cloud-neutral Pulumi components: what a platform consists of, whoever provides the machines."""
