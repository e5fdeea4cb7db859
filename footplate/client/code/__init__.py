"""A directory of code as a job gets it: what is in it (`tree`), as one archive (`archive`), in the team's store (`shipping`)."""
