"""The hand-written gradients agree with central differences, and this check notices an error of a thousandth."""

import ast
import inspect
import textwrap

import numpy as np
import pytest
import reference
from differences import ALLOWED, central_differences, difference, own_loss, worst_block
from small import (
    KINDS,
    by_reference,
    every_kind,
    example,
    gradient,
    network,
    one_and_two_layers,
    with_and_without_dropout,
)

import charlstm.network.network
from charlstm.network.cells import CELLS

GATES = [(kind, gate) for kind in KINDS for gate in range({"lstm": 4, "gru": 3}.get(kind, 1))]


def computed(statement):
    """Return the array that a statement computes: x in `x *= …`, `x[k] = …`, `x = a * b` and `np.f(…, out=x)`."""
    match statement:
        case ast.AugAssign(target=target) | ast.Assign(targets=[ast.Subscript() as target]):
            return target
        case ast.Assign(targets=[ast.Name() as target], value=ast.BinOp()):
            return target
        case ast.Expr(value=ast.Call(keywords=[ast.keyword(arg="out", value=target)])):
            return target
    return None


def backward_step(cell):
    """Return the syntax tree of a cell's backward step."""
    return ast.parse(textwrap.dedent(inspect.getsource(cell.backward)))


def derivatives(cell):
    """Return the numbers of the statements of a cell's backward step that compute an array."""
    return [number for number, statement in enumerate(backward_step(cell).body[0].body) if computed(statement)]


def plant_in_line(monkeypatch, cell, number):
    """Make what one statement of a cell's backward step computes a thousandth too large."""
    tree = backward_step(cell)
    target = ast.unparse(computed(tree.body[0].body[number]))
    tree.body[0].body[number + 1 : number + 1] = ast.parse(f"{target} *= 1.001").body
    names = dict(vars(inspect.getmodule(cell)))
    exec(compile(ast.fix_missing_locations(tree), cell.__name__, "exec"), names)
    monkeypatch.setattr(cell, "backward", names["backward"])


CELL_OF = {kind: CELLS[settings["cell"]] for kind, settings in KINDS.items()}
DERIVATIVES = [(kind, line) for kind, cell in CELL_OF.items() for line in derivatives(cell)]
FEWEST_DERIVATIVES = {"lstm": 7, "gru": 7, "rnn": 1, "relu": 1}


def reference_loss(kind, it, of):
    """Return the loss by the plain equations, which share no line with the package."""

    def loss():
        logits = by_reference(kind, it, of.ids, of.state, of.masks).logits
        return reference.loss(logits, of.targets.tolist(), of.loss_mask.tolist())

    return loss


@every_kind
@one_and_two_layers
@with_and_without_dropout
@pytest.mark.parametrize("seed", [1, 2])
def test_the_gradient_agrees_with_central_differences(kind, layers, dropout, seed):
    it = network(kind, seed=seed, hidden=6, layers=layers, dropout=dropout)
    of = example(it, steps=8, rows=4, seed=seed)
    assert worst_block(it, of, own_loss(it, of)) < (ALLOWED,)


@every_kind
@one_and_two_layers
@with_and_without_dropout
def test_the_gradient_agrees_with_differences_of_the_plain_equations(kind, layers, dropout):
    it = network(kind, vocabulary=3, hidden=2, layers=layers, dropout=dropout)
    of = example(it, steps=3, rows=2, seed=6)
    assert worst_block(it, of, reference_loss(kind, it, of)) < (ALLOWED,)


@every_kind
@one_and_two_layers
@with_and_without_dropout
def test_the_gradient_of_changes_of_the_outputs_agrees_with_central_differences(kind, layers, dropout):
    it = network(kind, hidden=4, layers=layers, dropout=dropout)
    of = example(it, steps=5, rows=3)

    def changes():
        h = it.forward(of.ids, of.state, of.masks).tapes[-1].states[0].tolist()
        return sum(
            of.loss_mask[t, row]
            * sum((after - before) ** 2 for before, after in zip(h[t][row], h[t + 1][row], strict=True))
            / 4
            for t in range(5)
            for row in range(3)
        )

    both, alone = gradient(it, of, tar=0.3), gradient(it, of)
    assert both[0] == alone[0]  # the loss is reported without them
    added, wanted = it.parameters.like(), it.parameters.like()
    added.flat[:], wanted.flat[:] = both[2] - alone[2], 0.3 * central_differences(it.parameters.flat, changes)
    for name in added:
        if name.startswith("output"):
            assert not added[name].any() and not wanted[name].any()
        else:
            assert difference(added, wanted, name) < ALLOWED, name


@every_kind
@pytest.mark.parametrize("together", [1, 72, 73, 10**6])
def test_the_gradient_does_not_depend_on_how_many_steps_are_differentiated_together(monkeypatch, kind, together):
    it = network(kind, hidden=6, layers=2)
    of = example(it, steps=8, rows=4)
    right = gradient(it, of)[2].tobytes()
    monkeypatch.setattr(charlstm.network.network, "DIFFERENTIATED_TOGETHER", together)
    assert gradient(it, of)[2].tobytes() == right


@one_and_two_layers
@pytest.mark.parametrize(("kind", "gate"), GATES)
def test_one_gate_that_is_off_by_a_thousandth_is_noticed(monkeypatch, kind, gate, layers):
    it = network(kind, layers=layers)

    def spoil(dz, d_h_W, d_states):
        dz[gate] *= 1.001

    plant(monkeypatch, it, spoil)
    assert_noticed(it)


@every_kind
def test_faults_are_planted_in_every_derivative(kind):
    assert sum(planted == kind for planted, _ in DERIVATIVES) >= FEWEST_DERIVATIVES[kind]


@one_and_two_layers
@pytest.mark.parametrize(("kind", "line"), DERIVATIVES)
def test_one_line_of_a_backward_step_that_is_off_by_a_thousandth_is_noticed(monkeypatch, kind, line, layers):
    it = network(kind, layers=layers)
    plant_in_line(monkeypatch, type(it.cell), line)
    assert_noticed(it)


@one_and_two_layers
@pytest.mark.parametrize(("kind", "gate"), [(kind, gate) for kind, gate in GATES if kind != "relu"])
def test_a_derivative_of_an_activation_that_is_off_by_a_thousandth_is_noticed(monkeypatch, kind, gate, layers):
    it = network(kind, layers=layers)
    right = type(it.cell).differentiate_gates

    def wrong(self, tape, steps):
        derivative = right(self, tape, steps)
        derivative[gate] *= 1.001
        return derivative

    monkeypatch.setattr(type(it.cell), "differentiate_gates", wrong)
    assert_noticed(it)


@pytest.mark.parametrize("gate", range(3))
def test_one_gate_of_the_recurrent_product_that_is_off_is_noticed(monkeypatch, gate):
    it = network("gru")

    def spoil(dz, d_h_W, d_states):
        d_h_W[gate] *= 1.001

    plant(monkeypatch, it, spoil)
    assert_noticed(it)


@pytest.mark.parametrize(("kind", "state"), [("lstm", 1), ("gru", 0)])
def test_a_state_carried_back_that_is_off_is_noticed(monkeypatch, kind, state):
    it = network(kind)

    def spoil(dz, d_h_W, d_states):
        d_states[state][...] *= 1.001

    plant(monkeypatch, it, spoil)
    assert_noticed(it)


@every_kind
def test_an_output_gradient_that_is_off_is_noticed(monkeypatch, kind):
    right = charlstm.network.network.cross_entropy_gradient

    def wrong(logits, targets, weights):
        loss = right(logits, targets, weights)
        logits[:, 1] *= 1.001
        return loss

    monkeypatch.setattr(charlstm.network.network, "cross_entropy_gradient", wrong)
    assert_noticed(network(kind))


@with_and_without_dropout
def test_masks_and_weights_that_are_forgotten_are_noticed(dropout):
    it = network("lstm", layers=2, dropout=0.4)
    of = example(it)
    other = of._replace(masks=None) if dropout else of._replace(loss_mask=np.ones_like(of.loss_mask))
    assert worst_block(it, of, own_loss(it, other)) > (ALLOWED,)


def plant(monkeypatch, it, spoil):
    """Change something after every backward step of a network's cell."""
    cell = type(it.cell)
    right = cell.backward

    def wrong(self, tape, t, derivative, d_states, d_gates, d_h_W):
        right(self, tape, t, derivative, d_states, d_gates, d_h_W)
        spoil(tape.gates[:, t], d_h_W, d_states)

    monkeypatch.setattr(cell, "backward", wrong)


def assert_noticed(it):
    of = example(it)
    assert worst_block(it, of, own_loss(it, of)) > (ALLOWED,)
