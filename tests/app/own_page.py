"""A page of one's own in plain Gradio: the share of right completions of a run, step by step."""

TITLE = "Share right"


def build(context):
    import gradio as gr
    import pandas as pd

    def curve(name):
        found = context.run(name).query("SELECT step, reward FROM steps WHERE mode = 'train' ORDER BY step")
        return pd.DataFrame(found.to_pydict()), f"{len(found)} steps of {name}"

    run = gr.Dropdown(context.run_ids(), label="run", value=None)
    said = gr.Textbox(label="found")
    plot = gr.LinePlot(x="step", y="reward")
    run.change(curve, run, [plot, said])
