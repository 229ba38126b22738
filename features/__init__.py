"""What is computed: the feature language and the plain evaluator."""
