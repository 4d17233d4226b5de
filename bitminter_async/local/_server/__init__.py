"""The local pool's HTTP face: what it answers, to whom, and how it is served."""
