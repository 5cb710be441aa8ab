"""Part I: compression against writability."""
