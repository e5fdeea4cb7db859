"""What must not be lost by a small edit: which resources hold something, and which of their fields cannot be changed in place."""
