"""The README's table is the one that the options make."""

from pathlib import Path

import pytest

from parallax.settings import fields, table

README = Path(__file__).parents[2] / "README.md"


def test_a_row_per_option_and_as_many_cells_as_columns() -> None:
    header, _, *rows = table.markdown().splitlines()
    assert len(rows) >= len(fields.FIELDS)
    for row in rows:
        assert row.replace("\\|", "").count("|") == header.count("|")


def test_main_replaces_what_stands_between_the_markers(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{table.OPENING}\nold\n{table.CLOSING}\nafter\n")
    table.main([str(path)])
    assert path.read_text() == (
        f"before\n{table.OPENING}\n{table.markdown()}{table.CLOSING}\nafter\n"
    )


def test_readme_has_the_table_of_today() -> None:
    text = README.read_text(encoding="utf-8") if README.exists() else ""
    if not table.has_markers(text):
        pytest.skip("there is no README with the markers yet")
    assert table.inserted(text) == text, "run: python -m parallax.settings.table README.md"
