"""What is served: models with their queues, and libraries."""
