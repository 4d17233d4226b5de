"""The simulation behind the local pool: miners, chains, shifts, and the time that moves them."""
