"""What hardware and inputs are: data files and the types that read them."""
