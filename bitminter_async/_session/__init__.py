"""The way of a call past cache, single flight, retry and pace: whether a request is sent, and when."""
