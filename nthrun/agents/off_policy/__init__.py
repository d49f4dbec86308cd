"""What agents share that learn one critic from replay."""
