"""Bytes to records, or a `DecodeError` that says where and what."""
