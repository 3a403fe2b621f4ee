"""One file a step, each on top of the one before. A step that was released is never changed."""
