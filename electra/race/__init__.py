"""What a race is made of: contestants, what they spend, how they are examined and shown."""
