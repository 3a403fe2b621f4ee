"""The state brought back at the start, and kept from then on."""
