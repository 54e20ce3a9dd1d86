"""Operators: dispatch on the type of a field, default parameters, registration."""

import collections.abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pdequinox import operators
from pdequinox.fields import Continuous, Domain, Field, FiniteDifferences, FourierSeries, OnGrid
from pdequinox.operators import Operator, get_implementations, gradient, has_implementation, operator

DOMAIN = Domain((4, 5), (0.5, 0.25))
VALUES = np.random.default_rng(0).normal(size=(4, 5, 1)).astype(np.float32)
DIFFERENTIAL = (
    "curl",
    "derivative",
    "diag_jacobian",
    "divergence",
    "gradient",
    "hessian",
    "heterog_laplacian",
    "jacobian",
    "laplacian",
    "shift_operator",
)
POINTWISE = ("compose", "dot_product", "functional", "get_component", "inverse", "sum_over_dims")


class OtherField(OnGrid):
    """A discretisation that the package does not know."""


class FinerDifferences(FiniteDifferences):
    """A discretisation that inherits its operators."""


def kind_of():
    """A new operator that says which of its implementations was called."""

    @operator
    def kind(u: FiniteDifferences, *, params=None):
        return "finite differences"

    return kind


@pytest.mark.parametrize("name", DIFFERENTIAL)
def test_differential_operators_are_implemented_for_all_discretisations(name):
    op = getattr(operators, name)
    # Other rooms add theirs: `mesh` its NodalField.
    assert {("Continuous",), ("FiniteDifferences",), ("FourierSeries",)} <= set(get_implementations(op))
    assert all(has_implementation(op, kind) for kind in (Continuous, FiniteDifferences, FourierSeries))
    assert not any(has_implementation(op, kind) for kind in (OnGrid, Field, OtherField, object, float))
    assert has_implementation(op, type(kind_of)) is (name not in ("heterog_laplacian", "shift_operator"))


@pytest.mark.parametrize("name", POINTWISE)
def test_operators_on_values_are_implemented_for_all_fields(name):
    op = getattr(operators, name)
    expected = {("Continuous",), ("OnGrid",)} if name == "dot_product" else {("Field",)}
    assert expected <= set(get_implementations(op))
    assert all(has_implementation(op, kind) for kind in (Continuous, FourierSeries, OtherField))


def test_every_operator_of_the_room_is_tested_here():
    assert {n for n in operators.__all__ if isinstance(getattr(operators, n), Operator)} == {*DIFFERENTIAL, *POINTWISE}


def test_subclasses_have_the_implementations_of_their_parents():
    u = FinerDifferences(VALUES, DOMAIN, accuracy=4)
    result = gradient(u)
    assert isinstance(result, FinerDifferences)
    assert has_implementation(gradient, FinerDifferences)
    np.testing.assert_array_equal(result.params, gradient(FiniteDifferences(VALUES, DOMAIN, accuracy=4)).params)


def test_the_most_specific_implementation_is_called_whatever_the_order_of_registration():
    op = kind_of()
    op.register(OnGrid)(lambda u, *, params=None: "on grid")
    assert op(FinerDifferences(VALUES, DOMAIN)) == "finite differences"
    assert op(FourierSeries(VALUES, DOMAIN)) == "on grid"

    @op.register
    def _(u: FinerDifferences, *, params=None):
        return "finer"

    assert op(FinerDifferences(VALUES, DOMAIN)) == "finer"
    assert get_implementations(op) == [("FinerDifferences",), ("FiniteDifferences",), ("OnGrid",)]


def test_an_implementation_may_be_for_a_union_of_types():
    op = kind_of()

    @op.register
    def _(u: FourierSeries | OtherField, *, params=None):
        return "either"

    assert op(FourierSeries(VALUES, DOMAIN)) == op(OtherField(VALUES, DOMAIN)) == "either"


def test_annotations_may_be_strings():
    class Local(OnGrid):
        pass

    @operator
    def op(u: "FourierSeries | OtherField", *, params=None):
        return "global"

    @op.register
    def _(u: "Local", *, params=None):
        return Local.__name__

    assert op(OtherField(VALUES, DOMAIN)) == "global"
    assert op(Local(VALUES, DOMAIN)) == "Local"


def test_a_field_without_implementation_is_refused_with_the_ones_there_are():
    message = r"`gradient` must get one of .* or a function of a point, got OtherField.*gradient.register"
    with pytest.raises(TypeError, match=message):
        gradient(OtherField(VALUES, DOMAIN))
    with pytest.raises(TypeError, match=message):
        gradient.default_params(OtherField(VALUES, DOMAIN))
    with pytest.raises(TypeError, match="got ndarray"):
        gradient(VALUES)


def test_an_implementation_for_callables_does_not_catch_fields():
    op = kind_of()
    op.register(collections.abc.Callable)(lambda f, *, params=None: f(0.0))
    assert op(np.cos) == 1
    assert callable(OtherField(VALUES, DOMAIN))
    assert not has_implementation(op, OtherField)
    with pytest.raises(TypeError, match="`kind` must get one of FiniteDifferences or a function of a point, got Other"):
        op(OtherField(VALUES, DOMAIN))


def test_an_implementation_for_callables_may_say_which():
    op = kind_of()

    @op.register
    def _(f: collections.abc.Callable[[float], float] | FourierSeries, *, params=None):
        return "function or series"

    assert op(np.cos) == op(FourierSeries(VALUES, DOMAIN)) == "function or series"


def test_what_makes_the_parameters_is_refused_beside_them():
    @operator(init_params=lambda u, *, scale: scale)
    def scaled(u: FiniteDifferences, *, params=None):
        return params

    u = FiniteDifferences(VALUES, DOMAIN)
    assert scaled(u, scale=2) == 2
    with pytest.raises(ValueError, match="`scale` must be left out beside `params` of `scaled`, which it makes"):
        scaled(u, scale=2, params=3)


def test_operators_of_the_same_name_do_not_interfere():
    def make(answer):
        @operator
        def gradient(u: FourierSeries, *, params=None):
            return answer

        return gradient

    first, second = make(1), make(2)
    u = FourierSeries(VALUES, DOMAIN)
    assert (first(u), second(u)) == (1, 2)
    assert get_implementations(first) == [("FourierSeries",)]
    assert isinstance(gradient(u), FourierSeries)


def test_an_extension_brings_its_own_default_parameters():
    op = kind_of()

    @op.register(OtherField, init_params=lambda u: {"scale": 3.0})
    def _(u, *, params=None):
        return params["scale"]

    assert op.default_params(OtherField(VALUES, DOMAIN)) == {"scale": 3.0}
    assert op(OtherField(VALUES, DOMAIN)) == 3.0
    assert op.default_params(FiniteDifferences(VALUES, DOMAIN)) is None


def test_default_parameters_are_made_when_none_are_given_and_only_then():
    calls = []

    @operator(init_params=lambda u: calls.append(1) or ("made", None))
    def op(u: OnGrid, *, params=None):
        return params

    u = OtherField(VALUES, DOMAIN)
    assert op(u) == op(u, params=None) == op.default_params(u) == ("made", None)
    assert len(calls) == 3
    assert [op(u, params=given) for given in (0.0, [], {}, "given")] == [0.0, [], {}, "given"]
    assert len(calls) == 3


def test_default_parameters_see_the_arguments_with_their_defaults_filled_in():
    @operator(init_params=lambda u, power, base=2, *, sign, key="no key": (power, base, sign, key))
    def op(u: OnGrid, power=5, base=3, *, sign=1, params=None):
        return (power, base, sign), params

    u = OtherField(VALUES, DOMAIN)
    assert op(u) == ((5, 3, 1), (5, 3, 1, "no key"))
    assert op(u, 7, sign=-1) == ((7, 3, -1), (7, 3, -1, "no key"))
    assert op.default_params(u, base=4, key="key") == (5, 4, 1, "key")


def test_misspelt_arguments_are_refused():
    u = FiniteDifferences(VALUES, DOMAIN, accuracy=2)
    for call in (gradient.default_params, gradient):
        with pytest.raises(TypeError, match="stager"):
            call(u, stager=0.5)
    with pytest.raises(TypeError, match="stager"):
        gradient(u, stager=0.5, params=gradient.default_params(u))


@pytest.mark.parametrize("evaluate", [lambda u: u, lambda u, params: u, lambda u, **params: u])
def test_an_operator_must_take_parameters_as_a_keyword(evaluate):
    with pytest.raises(TypeError, match="`<lambda>` must take `params` as a keyword, got"):
        kind_of().register(OnGrid)(evaluate)


@pytest.mark.parametrize("evaluate", [lambda u, *, params=None: u, lambda *, params=None: None])
def test_an_operator_must_say_for_which_field_it_is(evaluate):
    for add in (operator, kind_of().register):
        with pytest.raises(TypeError, match="the first argument of `<lambda>` must be annotated with a type"):
            add(evaluate)


def test_an_unknown_string_annotation_is_refused():
    with pytest.raises(TypeError, match="the first argument of `op` must be annotated with a type"):

        @operator
        def op(u: "Missing", *, params=None):
            return u


@pytest.mark.parametrize("init_params", [lambda: None, lambda u: None, lambda u, v: None])
def test_default_parameters_must_take_the_arguments_of_the_operator(init_params):
    def op(u: OnGrid, v, *, sign=1, params=None):
        return u

    with pytest.raises(TypeError, match="`init_params` of `op` must take the arguments"):
        operator(op, init_params=init_params)


@pytest.mark.parametrize("kind", [FiniteDifferences, FourierSeries])
def test_default_parameters_are_made_once_and_cannot_be_changed_in_place(kind):
    first = gradient.default_params(kind(VALUES, DOMAIN))
    again = gradient.default_params(kind(2 * VALUES, Domain(DOMAIN.N, DOMAIN.dx)))
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        assert one is other
        with pytest.raises(ValueError, match="read-only"):
            one[:] = 0


def test_changing_the_list_of_default_parameters_changes_no_other():
    u = FiniteDifferences(VALUES, DOMAIN, accuracy=2)
    before, mine = gradient(u).params, gradient.default_params(u)
    mine[0] = mine.pop(1)
    assert len(gradient.default_params(u)) == 2
    np.testing.assert_array_equal(gradient(u).params, before)


def test_an_operator_has_the_name_and_the_documentation_of_its_function():
    assert (repr(gradient), gradient.__name__) == ("gradient", "gradient")
    assert gradient.__doc__ is not None and gradient.__doc__.startswith("The gradient")


def test_a_module_as_parameters_is_differentiated_through():
    class Affine(eqx.Module):
        scale: jax.Array
        shift: jax.Array

        def __call__(self, x):
            return self.scale * x + self.shift

    @operator(init_params=lambda u: Affine(jnp.ones(u.params.shape), jnp.zeros(())))
    def op(u: OnGrid, *, params=None):
        return u.replace_params(params(u.params))

    u = FourierSeries(VALUES, DOMAIN)
    np.testing.assert_array_equal(op(u).params, VALUES)
    grads = jax.jit(jax.grad(lambda net: jnp.sum(op(u, params=net).params ** 2)))(op.default_params(u))
    np.testing.assert_allclose(grads.scale, 2 * VALUES**2, rtol=1e-5)
    np.testing.assert_allclose(grads.shift, 2 * VALUES.sum(), rtol=1e-4)
