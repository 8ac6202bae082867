"""Result frames become what people see."""
