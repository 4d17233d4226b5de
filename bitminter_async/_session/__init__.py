"""The way of a call past cache, single flight, retry and budget: whether a request is sent, and when."""
