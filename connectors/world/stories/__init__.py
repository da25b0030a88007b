"""What lies in each made-up person's mail, one module for each side of life."""
