"""Facts: what was evaluated, what was built, with what result. Everything else can be derived."""
