"""The polite asyncio client for the BitMinter mining-pool API."""
