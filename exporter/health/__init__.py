"""How well the models are: their inferences, resources, cost and objectives, and what senders count themselves."""
