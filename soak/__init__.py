"""Long proofs on the running program: `make soak`. The figures go into docs/reliability.md."""
