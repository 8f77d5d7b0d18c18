"""Random numbers of torch from own generators: the same as torch's own, whatever other threads draw."""

import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth
from torchvision.transforms import v2

from tlkit.cpu.draws import Draws

BATCH = torch.linspace(-1, 1, 4 * 6 * 5 * 5).view(4, 6, 5, 5)
TOKENS = BATCH.flatten(2).transpose(1, 2)[..., :4].contiguous()

WAYS = {
    "rand": lambda: torch.rand(5),
    "randn": lambda: torch.randn(20),
    "randint": lambda: torch.randint(7, (5,)),
    "randperm": lambda: torch.randperm(9),
    "rand_like": lambda: torch.rand_like(BATCH),
    "normal": lambda: torch.normal(0.0, 1.0, (5,)),
    "multinomial": lambda: torch.multinomial(torch.ones(9), 4),
    "beta": lambda: torch.distributions.Beta(0.2, 0.2).sample((3,)),
    "initialisation": lambda: nn.Linear(5, 3).weight,
    "truncated normal": lambda: nn.init.trunc_normal_(torch.empty(30)),
    "dropout": lambda: nn.Dropout(0.3)(BATCH),
    "dropout in place": lambda: nn.functional.dropout(BATCH.clone(), 0.3, inplace=True),
    "dropout of channels": lambda: nn.Dropout2d(0.3)(BATCH),
    "alpha dropout": lambda: nn.AlphaDropout(0.3)(BATCH),
    "stochastic depth": lambda: StochasticDepth(0.5, "row")(BATCH),
    "attention": lambda: nn.functional.scaled_dot_product_attention(TOKENS, TOKENS, TOKENS, dropout_p=0.3),
    "random rectifier": lambda: nn.RReLU().train()(BATCH),
    "Gumbel": lambda: nn.functional.gumbel_softmax(torch.ones(9)),
    "augmentation": lambda: v2.RandomErasing(p=1.0)(BATCH),
}


@pytest.mark.parametrize("name", WAYS)
def test_own_draws_are_those_of_torch_and_leave_torch_alone(name):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = [WAYS[name]() for _ in range(3)]
        assert not torch.equal(expected[0], expected[1])
        torch.manual_seed(8)
        state = torch.get_rng_state()
        with Draws(5) as draws:
            drawn = [WAYS[name]()]
            torch.default_generator.manual_seed(8)
            drawn.append(WAYS[name]())
        states = draws.get_states()
        assert torch.equal(torch.get_rng_state(), state)
        other = Draws(0)
        other.set_states(states)
        with other:
            drawn.append(WAYS[name]())
        assert all(map(torch.equal, drawn, expected))


def test_inner_draws_do_not_disturb_outer_ones():
    def draw():
        return nn.init.kaiming_normal_(torch.empty(4, 4))

    with Draws(1):
        expected = [draw(), draw()]
    with Draws(2):
        inner = draw()
    with Draws(1):
        first = draw()
        with Draws(2):
            assert torch.equal(draw(), inner)
        assert torch.equal(first, expected[0]) and torch.equal(draw(), expected[1])


def test_a_given_generator_is_used():
    expected = torch.rand(3, generator=torch.Generator().manual_seed(4))
    with Draws(5):
        assert torch.equal(torch.rand(3, generator=torch.Generator().manual_seed(4)), expected)
        assert torch.equal(torch.empty(3).uniform_(generator=torch.Generator().manual_seed(4)), expected)


def test_gradients_of_dropout_are_those_of_torch():
    gradients = []
    for mode in (torch.random.fork_rng(devices=[]), Draws(3)):
        batch = BATCH.clone().requires_grad_()
        with mode:
            if not isinstance(mode, Draws):
                torch.manual_seed(3)
            (nn.functional.dropout(batch, 0.4) * BATCH).sum().backward()
        gradients.append(batch.grad)
    assert torch.equal(*gradients)
