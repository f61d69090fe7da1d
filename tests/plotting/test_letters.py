"""How a picture writes numbers, powers and letters."""

import pytest

from diracgan.plotting.letters import with_letters


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("(phi, theta) = (0, x0)", "(φ, θ) = (0, x₀)"),
        ("phi^2 + |theta - x0|^2", "φ² + |θ − x₀|²"),
        ("(-phi, -x0)", "(−φ, -x₀)"),
        ("like t^1 (p = -1 in r ~ C t^-p), 2^no", "like t¹ (p = −1 in r ~ C t⁻ᵖ), 2^no"),
        ("the philosophy of max0 and morphing", "the philosophy of max0 and morphing"),
        ("phi_ema, theta0 and dtheta", "phi_ema, theta0 and dtheta"),
    ],
)
def test_only_whole_symbols_become_letters(text, drawn):
    assert with_letters(text) == drawn
