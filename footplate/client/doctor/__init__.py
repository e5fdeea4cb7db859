"""Is everything there that Footplate needs? One finding a line: pure judgements (`judging`) on what was read (`checks`)."""
