"""Metrics: functions of tensors, `torchmetrics.Metric` wrappers that add up over batches and processes, and cards.

They know no family: they take images, codes, features, logits and log-likelihoods.
"""
