"""The pages that are more than a document: decisions and the playground."""
