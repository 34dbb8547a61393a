"""The training of the learned testbeds, and the card that judges them."""
