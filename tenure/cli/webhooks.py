"""tenure webhooks: mappings from the webhooks of other systems to signals."""

from typing import Annotated

import typer

from services.health.usecases.files.files import load_mappings
from shared.kernel.errors import Refusal
from tenure.cli.output import Json, fail, out, print_json
from tenure.cli.written import path_of

app = typer.Typer(no_args_is_help=True, help="Mappings of webhooks to signals.")

File = Annotated[
    str,
    typer.Argument(help="A mapping, or a folder of mappings; - is standard input."),
]


@app.callback()
def _group() -> None:
    """Keep the name of the command though there is one."""


@app.command("validate")
def validate(file: File, *, as_json: Json = False) -> None:
    """Check mappings as health does at its start, beside the types TENURE_HEALTH_SIGNALS names.

    Example: [bold]tenure webhooks validate own/webhooks[/bold]
    """
    try:
        mappings = sorted(load_mappings(path_of(file)))
    except Refusal as error:
        fail(error)
    if as_json:
        print_json({"file": file, "is_valid": True, "mappings": mappings})
    else:
        out.print(f"{file} is valid; with the shipped ones: {', '.join(mappings)}")
