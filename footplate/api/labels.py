"""Label keys on the objects that Footplate makes."""

from footplate.api.meta import GROUP

WORKSPACE = f"{GROUP}/workspace"
HOME = f"{GROUP}/home"
WORKSPACES = f"{GROUP}/workspaces"
JOB = f"{GROUP}/job"
ATTEMPT = f"{GROUP}/attempt"
TEAM = f"{GROUP}/team"
OWNER = f"{GROUP}/owner"

NAME = "app.kubernetes.io/name"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"

TEAM_NAMESPACE_PREFIX = "team-"
SYSTEM_NAMESPACE = "footplate-system"
