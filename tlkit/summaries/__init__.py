"""Plain tables and texts behind figures and widgets."""
