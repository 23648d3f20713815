"""What end-to-end tests use; `tests/conftest.py` runs the product once for all of them."""

from tests.product import Product, an_account, eventually

__all__ = ["Product", "an_account", "eventually"]
