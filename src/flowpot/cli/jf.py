"""flowpot's commands as `jf flowpot`, on the project that `jf` has selected."""


def setup_jf_plugin() -> None:
    """Add the commands to jobflow-remote's, which calls this when it starts."""
    from jobflow_remote.cli.jf import app as jf  # noqa: PLC0415 - it is importing us

    from flowpot.cli.app import app  # noqa: PLC0415

    jf.add_typer(app, name="flowpot")
