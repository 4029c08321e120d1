"""What chainrule costs and what it reaches, side by side with what people would use instead."""
