"""Logs of jobs and workspaces: one container's, resumed after breaks (`container`), and those of several pods (`reading`, `following`)."""
