"""What notifications decides, in plain Python: who is told what, when, and what follows."""
