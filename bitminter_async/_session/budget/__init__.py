"""The budget of a pool: whose turn it is to ask it, and when, among all who share it."""
