"""What every registered app does, whichever framework it runs in."""
