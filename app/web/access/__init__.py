"""Who may see and who may act."""
