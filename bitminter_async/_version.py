"""The version, in its one place: the package's metadata reads it here."""

__all__ = ["__version__"]

__version__ = "0.1.0"
