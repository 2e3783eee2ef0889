"""The bundled price table (`table.json`) and the script that makes it."""
