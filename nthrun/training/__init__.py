"""Training: the program of one step, its noise, the loop around it, and what it leaves behind."""
