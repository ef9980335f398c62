"""A reward, and recorded files that are joined after a few steps instead of a few hundred, whoever imports this."""

from dra_toolkit.runs import compaction, recorder

compaction.FILES, compaction.FAN, recorder.LOOK_EVERY = 4, 3, 2
compaction.compact.__kwdefaults__["grace"] = 0.0


def letters(completions, **_):
    """Return the share of `e` in each text, less a third."""
    texts = [completion[0]["content"] for completion in completions]
    return [text.count("e") / max(1, len(text)) - 1 / 3 for text in texts]
