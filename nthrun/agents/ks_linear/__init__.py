"""The classical solution of the economies of Krusell and Smith as a policy."""
