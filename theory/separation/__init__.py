"""Part III: activation sparsity, pattern separation and forgetting."""
