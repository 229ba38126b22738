"""The stream scorer: requests in, predictions out."""
