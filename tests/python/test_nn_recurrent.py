"""RNN, GRU and LSTM against their equations, step by step."""

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
import pytest
from layers import as_list, check, close, fill, numbers, parameters, random, sigmoid
from mlx import nn

X = random(2, 5, 3)
H, C = random(2, 4, seed=2), random(2, 4, seed=3)


def rnn(p, x, h, f=np.tanh):
    states = []
    for t in range(x.shape[-2]):
        h = f(x[..., t, :] @ p["Wxh"].T + h @ p["Whh"].T + p.get("bias", 0))
        states.append(h)
    return np.stack(states, -2)


def gru(p, x, h):
    states, size = [], h.shape[-1]
    wr, wz, wn = np.split(p["Wx"], 3)
    ur, uz, un = np.split(p["Wh"], 3)
    br, bz, bn = np.split(p.get("b", np.zeros(3 * size)), 3)
    for t in range(x.shape[-2]):
        xt = x[..., t, :]
        r = sigmoid(xt @ wr.T + h @ ur.T + br)
        z = sigmoid(xt @ wz.T + h @ uz.T + bz)
        n = np.tanh(xt @ wn.T + bn + r * (h @ un.T + p.get("bhn", 0)))
        h = (1 - z) * n + z * h
        states.append(h)
    return np.stack(states, -2)


def lstm(p, x, h, c):
    hs, cs = [], []
    for t in range(x.shape[-2]):
        i, f, g, o = np.split(x[..., t, :] @ p["Wx"].T + h @ p["Wh"].T + p.get("bias", 0), 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        hs.append(h)
        cs.append(c)
    return np.stack(hs, -2), np.stack(cs, -2)


LAYERS = [(nn.RNN, rnn, (H,)), (nn.GRU, gru, (H,)), (nn.LSTM, lstm, (H, C))]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind, reference, states", LAYERS)
def test_recurrent_layers_follow_their_equations(kind, reference, states, bias):
    check(fill(kind(3, 4, bias=bias)), reference, X, *states)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
@pytest.mark.parametrize("kind, reference, states", LAYERS)
def test_states_start_at_zero_and_any_batch_axes_lead(kind, reference, states, batch):
    layer, x = fill(kind(3, 4)), random(*batch, 6, 3)
    zeros = [np.zeros((*batch, 4)) for _ in states]
    close(layer(mx.array(x).astype(mx.float32)), reference(parameters(layer), x, *zeros))


@pytest.mark.parametrize("kind, reference, states", LAYERS)
def test_a_sequence_goes_on_from_its_last_states(kind, reference, states):
    layer, x = fill(kind(3, 4)), mx.array(X).astype(mx.float32)
    whole, head = as_list(layer(x)), as_list(layer(x[:, :2]))
    tail = as_list(layer(x[:, 2:], *(state[:, -1] for state in head)))
    for all_steps, a, b in zip(whole, head, tail):
        close(mx.concatenate([a, b], axis=1), numbers(all_steps))


def test_one_state_of_an_lstm_may_be_given_alone():
    layer, x = fill(nn.LSTM(3, 4)), mx.array(X).astype(mx.float32)
    p, zeros = parameters(layer), np.zeros((2, 4))
    close(layer(x, hidden=mx.array(H).astype(mx.float32)), lstm(p, X, H, zeros))
    close(layer(x, cell=mx.array(C).astype(mx.float32)), lstm(p, X, zeros, C))


@pytest.mark.parametrize("kind, reference, states", LAYERS)
def test_no_steps_give_no_states(kind, reference, states):
    y = as_list(kind(3, 4)(mx.zeros((2, 0, 3))))
    assert [state.shape for state in y] == [(2, 0, 4)] * len(states)


def test_an_rnn_takes_another_nonlinearity():
    layer = fill(nn.RNN(3, 4, nonlinearity=nn.relu))
    zeros = np.zeros((2, 4))
    expected = rnn(parameters(layer), X, zeros, lambda x: np.maximum(x, 0))
    close(layer(mx.array(X).astype(mx.float32)), expected)
    with pytest.raises(ValueError, match="nonlinearity"):
        nn.RNN(3, 4, nonlinearity=3)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_sequence_without_time_or_with_other_features_is_a_value_error(kind):
    layer = kind(3, 4)
    for shape in [(3,), (2, 5, 4)]:
        with pytest.raises(ValueError, match="."):
            layer(mx.zeros(shape))


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_parameters_start_within_one_over_the_root_of_the_hidden_size(kind):
    mx.random.seed(0)
    for name, p in parameters(kind(30, 100)).items():
        assert 0.08 < np.abs(p).max() <= 0.1 and abs(p.mean()) < 0.02, name


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_recurrent_layers_learn_to_remember_the_first_step(kind):
    mx.random.seed(0)

    class Memory(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = kind(1, 8)
            self.out = nn.Linear(8, 1)

        def __call__(self, x):
            return self.out(as_list(self.layer(x))[0][:, -1])

    model, optimizer = Memory(), optim.Adam(0.02)
    step = nn.value_and_grad(model, lambda x: nn.losses.mse_loss(model(x), x[:, 0]))
    losses = []
    for _ in range(120):
        loss, gradients = step(mx.random.normal((32, 4, 1)))
        optimizer.update(model, gradients)
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.3 * np.mean(losses[:5])
