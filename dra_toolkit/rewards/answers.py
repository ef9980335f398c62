"""The final answer that a completion states, as text: what two completions must share to have given the same answer."""

import functools

LONGEST = 200  # characters; a longer one is no answer but prose


@functools.lru_cache(maxsize=256)  # what is measured and shown of a group asks more than once
def final_answer(completion: str) -> str | None:
    r"""Return the final answer of a completion, where the judge finds it, without needless spaces; None if there is none.

    >>> final_answer(r"so it is \boxed{\frac{1}{2}}.")
    '\\frac{1}{2}'
    """
    from dra_toolkit.judge import completions, notation  # hundreds of patterns, made ready at once

    found = completions.final_answer(completion)
    return notation.squeezed(" ".join(found.split())) if found and len(found) <= LONGEST else None
