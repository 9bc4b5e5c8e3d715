"""One file a subject; every check is a pure function of facts."""
