"""What an attempt left in the object store (`footplate.api.records`): its segments (`segments`), metrics, artifacts."""
