"""One request out, one answer back: the only folder that imports httpx, and where the key is placed."""
