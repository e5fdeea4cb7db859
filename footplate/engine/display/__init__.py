"""What a person sees of a run: pure rendering (`wording`, `tree`), and the observers that print (`observers`)."""
