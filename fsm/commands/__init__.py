"""The commands of `fsm`: each module adds some to the parser; `failing` says what went wrong."""
