"""What products send, and what it adds up to: events, counts, and when a day is over."""
