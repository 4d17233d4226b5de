"""Lists that are read in pages while they move: how a place is found in them, and how they are read whole."""
