"""What the inside asks of the outside, as Protocols, and the records that cross there."""
