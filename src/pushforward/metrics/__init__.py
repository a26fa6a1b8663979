"""Metrics: functions of tensors, and cards. A few that are given their data in parts are `torchmetrics.Metric`s.

They know no family: they take images, codes, features, logits and log-likelihoods. Each subject has a module of its own.
"""
