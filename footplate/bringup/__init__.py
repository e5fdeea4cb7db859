"""`make up` and `make down`: from a bare machine to a running platform with a workspace and a training job, and back."""
