"""What a frozen network says of pictures, computed once and kept."""
