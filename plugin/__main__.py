"""The component plugin: Footplate's components for a Pulumi program in any language (`pulumi package add …/plugin`)."""

from pulumi.provider.experimental import component_provider_host

from components.reuse import TeamNamespace, TrainingPlatform
from footplate.version import VERSION

if __name__ == "__main__":
    component_provider_host([TrainingPlatform, TeamNamespace], "footplate", version=VERSION)
