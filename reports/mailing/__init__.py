"""Reports that go out by mail on a schedule."""
