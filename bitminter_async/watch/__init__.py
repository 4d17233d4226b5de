"""Streams of what changes, for as long as they are wanted."""
