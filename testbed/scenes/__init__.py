"""Pictures that a person knows at a glance: a thing in a landscape, in 32x32 pixels, and an exact model of them."""
