"""What the pages show, as plain values: read from runs, without Gradio."""
