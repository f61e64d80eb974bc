"""Messages at rest."""
