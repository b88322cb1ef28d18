"""The Internet A(t): posts, the store that keeps them, and the retrievers that read them."""
