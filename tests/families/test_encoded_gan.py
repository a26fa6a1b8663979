"""VAE/GAN and BiGAN: which gradient reaches whom, and what the critic is shown."""

import math

import pytest
import torch
from torch import Tensor, nn

from pushforward.composition import compose
from pushforward.errors import PushforwardError
from pushforward.families import VAEGAN, BiGAN
from pushforward.seeds import generator
from pushforward.spec import Batch, DataSpec
from pushforward.training.build import build_family

N = 6
SPEC = DataSpec((1, 8, 8), 17, 1437, 10, class_shares=(0.1,) * 10)


def family(recipe: str, *more: str, network: str = "mlp") -> VAEGAN | BiGAN:
    small = {"mlp": ["network.hidden=[16]"], "linear": [], "conv": ["network.width=4"]}[network]
    quiet = ["features=none", "metrics=none", "logger=none"]
    options = [f"model={recipe}", f"network={network}", *small, "model.code_dim=3", *quiet, *more]
    made = build_family(compose(options), SPEC).double()
    assert isinstance(made, VAEGAN | BiGAN)
    return made


def batch() -> Batch:
    g = torch.Generator().manual_seed(0)
    return Batch(torch.randint(0, 17, (N, 1, 8, 8), generator=g).double() / 16, torch.arange(N) % 10)


def noise_of(made: VAEGAN | BiGAN, player: str) -> dict[str, Tensor]:
    drawn = made.draw(player, N, generator("cpu", 0, player))
    return {k: v.double() if v.is_floating_point() else v for k, v in drawn.items()}


def gradient(value: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, parameters, retain_graph=True)])


OWNED_ALONE = {"vae_gan": {"critic": ["encoder", "decoder"], "decoder": ["encoder"]}, "bigan": {"critic": ["model"]}}
"""Players whose loss does not depend on the parameters of these others at all."""


@pytest.mark.parametrize(("recipe", "player"), [(r, p) for r, players in OWNED_ALONE.items() for p in players])
def test_a_loss_has_no_gradient_where_it_owns_nothing(recipe: str, player: str) -> None:
    """ORACLES, ownership: by gradients with respect to the others' parameters, of which there are none."""
    made = family(recipe)
    total = made.loss(player, batch(), noise_of(made, player)).total
    for other in made.players:
        parameters = list(made.parameters_of(other).values())
        found = torch.autograd.grad(total, parameters, allow_unused=True, retain_graph=True)
        if other.name == player:
            assert all(g is not None and bool(g.abs().max() > 0) for g in found)
        elif other.name in OWNED_ALONE[recipe][player]:
            assert all(g is None for g in found), other.name


@pytest.mark.parametrize("recipe", ["vae_gan", "bigan"])
def test_a_step_leaves_no_gradient_with_another_player(recipe: str) -> None:
    made = family(recipe, network="conv")
    made.configure_optimizers()
    assert made.stepper is not None
    for player in made.players:
        for parameter in made.parameters():
            parameter.grad = None
        before = {k: v.clone() for k, v in made.state_dict().items()}
        made.stepper.step(player, batch(), noise_of(made, player.name), 0.0)
        own = set(made.parameters_of(player))
        assert {name for name, p in made.named_parameters() if p.grad is not None} == own
        moved = {k for k, v in made.state_dict().items() if not torch.equal(v, before[k])}
        assert moved >= own and all(k.startswith(tuple(player.modules)) for k in moved)


def test_the_decoders_adversarial_gradient_is_opposite_to_the_critics() -> None:
    """ORACLES, ownership: a cosine of −1, in float64 to rounding; with pythae's default flags it is +1."""
    made = family("vae_gan")
    passed = made.passed("decoder", batch(), noise_of(made, "decoder"))  # type: ignore[union-attr]
    decoder = list(made.coder.decoder.parameters())
    theirs, own = (
        gradient(made.objectives[player].terms["adversarial"](passed).mean(), decoder)
        for player in ("critic", "decoder")
    )
    assert float(own.norm()) > 1e-3
    assert float(torch.cosine_similarity(theirs, own, dim=0)) == pytest.approx(-1, abs=1e-12)


def test_a_step_against_the_critic_raises_its_scores() -> None:
    """Decoded images look more real after the decoder's step along its adversarial gradient, and less after the critic's."""
    made = family("vae_gan", "model.objective.decoder.features=null")
    noise = noise_of(made, "decoder")

    def scores() -> float:
        passed = made.passed("decoder", batch(), noise)  # type: ignore[union-attr]
        return float(passed.reconstructed_scores.mean() + passed.drawn_scores.mean())  # type: ignore[attr-defined]

    def step(player: str) -> float:
        before = scores()
        own = list(made.parameters_of(next(p for p in made.players if p.name == player)).values())
        slopes = torch.autograd.grad(made.loss(player, batch(), noise).total, own)
        with torch.no_grad():
            for parameter, slope in zip(own, slopes, strict=True):
                parameter -= 1e-3 * slope
        return scores() - before

    assert step("decoder") > 0 > step("critic")


def test_features_of_a_linear_critic_are_pixels() -> None:
    """Then −log N(h(x); h(x̃), I) is ½‖x − x̃‖² + 32 ln 2π for the 64 pixels in [−1, 1], and it is in both losses, with γ."""
    made = family("vae_gan", "model.objective.decoder.features.weight=0.25", network="linear")
    x, noise = batch(), noise_of(made, "encoder")
    code = made.coder(2 * x.x - 1, noise["code"])
    images = made.coder.decode(code.z)[:, 0].tanh()
    wanted = 0.5 * (2 * x.x - 1 - images).square().sum((1, 2, 3)) + 32 * math.log(2 * math.pi)
    encoder, decoder = (made.loss(player, x, noise) for player in ("encoder", "decoder"))
    torch.testing.assert_close(encoder.terms["features"], wanted)
    torch.testing.assert_close(decoder.terms["features"], wanted)
    torch.testing.assert_close(encoder.total, (encoder.terms["kl"] + wanted).mean())
    torch.testing.assert_close(decoder.total, (0.25 * wanted + decoder.terms["adversarial"]).mean())


def test_bigans_critic_is_shown_images_with_codes_and_codes_with_images() -> None:
    made, x = family("bigan"), batch()
    noise = noise_of(made, "critic")
    z, own = noise["prior"], made.encode(x.x)
    fake = 2 * made.decode(z) - 1
    critic = made.critic
    real_scores = critic.read(2 * x.x - 1, None, own)[0]
    fake_scores = critic.read(fake, None, z)[0]
    softplus = nn.functional.softplus
    terms = made.loss("critic", x, noise).terms["adversarial"]
    torch.testing.assert_close(terms, softplus(-real_scores) + softplus(fake_scores))
    terms = made.loss("model", x, noise).terms["adversarial"]
    torch.testing.assert_close(terms, softplus(real_scores) + softplus(-fake_scores))
    # a critic that scores pairs: another code of the same image has another score
    assert not torch.allclose(real_scores, critic.read(2 * x.x - 1, None, z)[0])


def test_a_gaussian_bottleneck_makes_ali() -> None:
    """Codes of images are draws then: the critic's terms depend on their noise."""
    made, x = family("bigan", "model.bottleneck._target_=pushforward.bottlenecks.Gaussian"), batch()
    noise = noise_of(made, "critic")
    one, other = (made.loss("critic", x, noise | {"code": noise["code"] * f}).terms["adversarial"] for f in (1, 2))
    assert not torch.allclose(one, other)


@pytest.mark.parametrize("recipe", ["vae_gan", "bigan"])
def test_labels_reach_encoder_decoder_and_critic(recipe: str) -> None:
    made = family(recipe, "condition=all_labels")
    x, z = batch(), torch.randn(N, 3, dtype=torch.float64)
    y, others = x.y, torch.flip(x.y, (0,))  # type: ignore[arg-type]
    assert not torch.allclose(made.encode(x.x, y), made.encode(x.x, others))
    assert not torch.allclose(made.decode(z, y), made.decode(z, others))
    assert made.critic.projects
    assert made.sample(4, torch.Generator().manual_seed(0), torch.tensor([1, 2, 3, 4])).shape == (4, 1, 8, 8)


@pytest.mark.parametrize("recipe", ["vae_gan", "bigan"])
def test_what_is_shown_lies_in_the_data_range(recipe: str) -> None:
    made, x = family(recipe), batch()
    for images in (made.reconstruct(x.x), made.decode(100 * torch.randn(N, 3, dtype=torch.float64))):
        assert images.shape == (N, 1, 8, 8) and images.min() >= 0 and images.max() <= 1
    assert made.encode(x.x).shape == (N, 3)


def test_what_is_refused() -> None:
    for recipe, option, message in [
        ("vae_gan", "model.bottleneck._target_=pushforward.bottlenecks.Deterministic", r"objective\.kl: KL needs posterior"),
        ("vae_gan", "model.objective.critic=null", r"model\.objective"),
        ("vae_gan", "model.objective.encoder.adversarial={_target_:pushforward.objectives.VAEGANDecoder}", "objective.decoder"),
        ("bigan", "model.objective.model.adversarial._target_=pushforward.objectives.NonSaturatingCritic", "objective.critic"),
    ]:  # fmt: skip
        with pytest.raises(PushforwardError, match=message) as refused:
            family(recipe, option if "{" not in option else f"+{option}")
        assert "\n" not in str(refused.value)
