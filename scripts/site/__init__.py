"""What builds the documentation site beside MkDocs: ``mkdocs build --strict``."""
