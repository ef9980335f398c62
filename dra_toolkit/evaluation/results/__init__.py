"""What came of it, ours on disk, of other tools and published, as one kind of result."""
