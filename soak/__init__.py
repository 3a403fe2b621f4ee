"""Long proofs on the running program: `make soak`. What they gave is in docs/reliability.md."""
