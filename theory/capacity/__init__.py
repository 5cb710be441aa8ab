"""Part II: free capacity, that is how much room is left for new writes, and where."""
