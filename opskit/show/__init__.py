"""Values to what a person sees; fetches and decides nothing."""
