"""Sites, lanes, and what transport between them costs and takes."""
