"""What can be asked: the API's paths as methods, which name the call and check its arguments."""
