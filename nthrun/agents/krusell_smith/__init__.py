"""What learners of the economies of Krusell and Smith share."""
