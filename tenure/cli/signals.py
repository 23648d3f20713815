"""tenure signals: types of signals of the company's own."""

from typing import Annotated

import typer

from services.health.usecases.files.files import load_catalogue
from shared.kernel.errors import Refusal
from tenure.cli.output import Json, fail, out, print_json
from tenure.cli.written import path_of

app = typer.Typer(no_args_is_help=True, help="Types of signals of the company's own.")

File = Annotated[
    str,
    typer.Argument(help="A file of types, or a folder of files; - is standard input."),
]


@app.callback()
def _group() -> None:
    """Keep the name of the command though there is one."""


@app.command("validate")
def validate(file: File, *, as_json: Json = False) -> None:
    """Check types of signals as health does at its start, without a database.

    Example: [bold]tenure signals validate own/signals.yml[/bold]
    """
    try:
        types = sorted(load_catalogue(path_of(file)).types)
    except Refusal as error:
        fail(error)
    if as_json:
        print_json({"file": file, "is_valid": True, "types": types})
    else:
        out.print(f"{file} is valid; with the shipped ones there are {len(types)} types")
