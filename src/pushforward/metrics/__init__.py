"""Metrics: functions of tensors, `torchmetrics.Metric` wrappers that add up over batches and processes, and cards.

They know no family: they take images, codes, features, logits and log-likelihoods. Each subject has a module of its own.
"""

from pushforward.metrics.aggregate import ActiveUnits, PartsOfRate, active_units, parts_of_rate
from pushforward.metrics.disentanglement import (
    Disentanglement,
    beta_vae_score,
    dci,
    factor_vae_score,
    mig,
    modularity,
    sap,
)
from pushforward.metrics.extrapolated import frechet_infinity
from pushforward.metrics.gradients import GradientVariance, gradient_spread
from pushforward.metrics.histograms import LabelHistogram, PixelHistogram, label_entropy
from pushforward.metrics.information import Gaussian, code_length, cross_entropy, entropy, js_divergence, kl_divergence
from pushforward.metrics.kernel import KernelDistanceMetric, kernel_distance
from pushforward.metrics.kl_quadrature import kl_by_quadrature
from pushforward.metrics.latent import Manifold, OffManifold, off_manifold
from pushforward.metrics.likelihood import Estimate, MeanPerImage, estimate
from pushforward.metrics.manifold import PrecisionRecallDensityCoverage, precision_recall_density_coverage
from pushforward.metrics.modes import ModeCoverage, mode_coverage
from pushforward.metrics.nearest import memorised
from pushforward.metrics.parzen import parzen_log_prob
from pushforward.metrics.paths import PathLength
from pushforward.metrics.probes import Probe, knn_accuracy, linear_error, logistic_accuracy
from pushforward.metrics.reconstruction import Reconstruction, StructuralSimilarity, ms_ssim, mse, psnr, ssim
from pushforward.metrics.sample import (
    FrechetDistance,
    ModeHistogram,
    class_kl,
    classifier_score,
    frechet_distance,
    frechet_distance_of,
    mode_histogram,
)
from pushforward.metrics.sparsity import Sparsity, hoyer, lifetime_sparsity, population_sparsity
from pushforward.metrics.transport import Wasserstein, wasserstein

__all__ = [
    "ActiveUnits",
    "Disentanglement",
    "Estimate",
    "FrechetDistance",
    "Gaussian",
    "GradientVariance",
    "KernelDistanceMetric",
    "LabelHistogram",
    "Manifold",
    "MeanPerImage",
    "ModeCoverage",
    "ModeHistogram",
    "OffManifold",
    "PartsOfRate",
    "PathLength",
    "PixelHistogram",
    "PrecisionRecallDensityCoverage",
    "Probe",
    "Reconstruction",
    "Sparsity",
    "StructuralSimilarity",
    "Wasserstein",
    "active_units",
    "beta_vae_score",
    "class_kl",
    "classifier_score",
    "code_length",
    "cross_entropy",
    "dci",
    "entropy",
    "estimate",
    "factor_vae_score",
    "frechet_distance",
    "frechet_distance_of",
    "frechet_infinity",
    "gradient_spread",
    "hoyer",
    "js_divergence",
    "kernel_distance",
    "kl_by_quadrature",
    "kl_divergence",
    "knn_accuracy",
    "label_entropy",
    "lifetime_sparsity",
    "linear_error",
    "logistic_accuracy",
    "memorised",
    "mig",
    "mode_coverage",
    "mode_histogram",
    "modularity",
    "ms_ssim",
    "mse",
    "off_manifold",
    "parts_of_rate",
    "parzen_log_prob",
    "population_sparsity",
    "precision_recall_density_coverage",
    "psnr",
    "sap",
    "ssim",
    "wasserstein",
]
