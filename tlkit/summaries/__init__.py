"""Tables and sentences behind figures and widgets."""
