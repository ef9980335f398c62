"""The rewards of the released code, defects included, as they were before the judge: these values never change."""

from __future__ import annotations

import pytest

PAIRS = [
    ("$42$", r"\boxed{42}", 1.0),
    ("$42$", r"\boxed{41}", 0.0),
    ("42", r"\boxed{41}", 1.0),
    (r"\boxed{\frac{1}{2}}", r"\boxed{0.5}", 1.0),
    (r"$\frac{1}{2}$", r"\boxed{\frac12}", 0.0),
    (r"$2\sqrt{3}$", r"\boxed{\sqrt{12}}", 1.0),
    ("$n=1,2$", r"\boxed{n=2,3}", 1.0),
    ("$x=5$", r"\boxed{5}", 1.0),
    ("$5$", r"\boxed{x=5}", 1.0),
    ("$ABC$", r"\boxed{CBA}", 1.0),
    ("$1010_2$", r"\boxed{1010_3}", 1.0),
    (r"$50\%$", r"\boxed{0.5}", 1.0),
    (r"$50\%$", r"\boxed{50}", 0.0),
    (r"$\{1,2\}$", r"\boxed{(1,2)}", 1.0),
    ("$1/3$", r"\boxed{0.333333}", 1.0),
    ("$5$", r"<think>\boxed{5}", 1.0),
    ("$5$", "the answer is $5$", 1.0),
    ("$5$", "5", 0.0),
    ("$3,5,7$", r"\boxed{7,5,3}", 1.0),
    ("It is $2$ or $3$", r"\boxed{2}", 0.0),
    ("#### 72", r"\boxed{72}", 1.0),
    ("Costs $5 and $13", r"\boxed{18}", 0.0),
    (r"$90^\circ$", r"\boxed{90}", 1.0),
    (r"$\text{Yes}$", r"\boxed{\text{No}}", 0.0),
]


@pytest.mark.parametrize("name", ["accuracy_as_released", "cosine_as_released"])
def test_verdicts_of_the_released_code_stay_what_they_are(score, name):
    golds, texts, expected = zip(*PAIRS, strict=True)
    rewards = score(name, texts, solution=list(golds))
    if name == "accuracy_as_released":
        assert rewards == list(expected)
    else:  # right answers of this length are worth more than 0.99, wrong ones less than 0
        assert [reward > 0.9 for reward in rewards] == [value == 1.0 for value in expected]
