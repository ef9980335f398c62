"""Questions asked of recorded groups, and how the terminal shows the answers. No torch."""
