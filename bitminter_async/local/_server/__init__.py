"""The local pool's HTTP interface: what it answers, to whom, and how it is served."""
