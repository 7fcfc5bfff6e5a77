"""What detecting wrong words is made of."""
