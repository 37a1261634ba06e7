"""The kernel trains common networks in one C++ function, without leaving the cache."""
