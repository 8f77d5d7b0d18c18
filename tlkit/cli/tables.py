"""Tables in the terminal."""

_WIDTH_IN_A_FILE = 180  # a file or a pipe has no width of its own


def print_table(columns, rows, *, title, caption, left):
    """Print a table of texts; `left` are the columns to align left, the others hold numbers."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console.width = _WIDTH_IN_A_FILE
    console.print(table)
    console.print(caption, highlight=False, markup=False)
