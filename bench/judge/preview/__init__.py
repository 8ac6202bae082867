"""A suite that has not been run -> what its design can tell, and would find."""
