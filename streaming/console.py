"""What a command shows: steps with their time, progress bars, tables."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from streaming.local.jars import DownloadProgress


class Bar:
    """A progress bar that is told how much is done."""

    def __init__(self, progress: Progress) -> None:
        """Draw on a running progress display."""
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def update(self, done: float, total: float | None, what: str) -> None:
        """Show done of total, with a word on what it is; a total of None is not known."""
        self._progress.update(self._task, completed=done, total=total, description=what)

    def downloaded(self, download: DownloadProgress) -> None:
        """Show a download of jars."""
        self.update(download.done_bytes, download.total_bytes, download.file_name)


class Console:
    """Prints to standard output; on a terminal with bars and colours."""

    def __init__(self) -> None:
        """Nothing is printed yet."""
        self._rich = RichConsole(highlight=False, soft_wrap=True, emoji=False)
        self._step = 0

    def say(self, text: str = "") -> None:
        """Print a line as it is."""
        self._rich.print(text, markup=False)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Number and announce a step; say how long it took, also when it fails."""
        self._step += 1
        self._rich.print(f"\n[bold]{self._step}. {title}[/bold]")
        began = time.monotonic()
        try:
            yield
        finally:
            self._rich.print(f"   [dim]{time.monotonic() - began:.1f} s[/dim]")

    @contextmanager
    def bar(self) -> Iterator[Bar]:
        """Show a progress bar while the block runs; it disappears at the end."""
        columns = (
            TextColumn("   {task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._rich, transient=True) as progress:
            yield Bar(progress)

    @contextmanager
    def pulse(self, what: str) -> Iterator[None]:
        """Show that something runs whose end is not known."""
        with self.bar() as bar:
            bar.update(0, None, what)
            yield

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print a table; the first column is text, the others are aligned right."""
        table = Table(*columns, box=None, pad_edge=False, header_style="bold")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in rows:
            table.add_row(*(str(cell) for cell in row))
        self._rich.print(table)
