"""What health starts and talks to outside its own process."""
