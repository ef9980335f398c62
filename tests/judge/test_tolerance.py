"""The tolerance for computed decimal golds."""

from __future__ import annotations

import pytest

from dra_toolkit.judge.judging import near


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("3.83e35", r"3.83 \times 10^{35}"), ("2.5e-3", "0.00252"), (r"so \boxed{4.5e33} erg", r"4.52 \times 10^{33}"),
        ("0.25", "0.254"), ("1.5 m", "1.51"), ("1.5 m", "151 cm"), ("-7.2", "-7.25"), ("x = 7.2", "7.23"), ("1e5", "100900"),
    ],
)  # fmt: skip
def test_near(gold, answer):
    assert near(gold, answer)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("4", "4.03"), ("100", "99.9"), (r"\frac{1}{3}", "0.333"), ("2.5", "2.6"), ("2.5", "-2.5"), ("1.5 m", "1.5 s"),
        ("3.83e35", r"3.83 \times 10^{34}"), ("1.5 m", r"1.5 \text{ cm}"), ("2.5", r"\text{two}"), ("0.0", "0.001"),
        ("???", "2.5"), ("2.5", "2.5, 2.6"),
    ],
)  # fmt: skip
def test_not_near(gold, answer):
    assert not near(gold, answer)
