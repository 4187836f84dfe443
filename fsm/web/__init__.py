"""Pages that people open: server-rendered ones here, the office pages beside them."""
