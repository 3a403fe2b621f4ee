"""A whole monitoring stack on one machine: Prometheus and Alertmanager with the bundled rules, and traffic to judge."""
