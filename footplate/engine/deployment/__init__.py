"""From what the program registers to what is done: decisions on values (`decide`, `order`), and the run around them."""
