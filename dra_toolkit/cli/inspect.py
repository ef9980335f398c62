import typer

app = typer.Typer()


@app.callback()
def common() -> None:
    """Placeholder."""
