"""Pretrained networks without their classifiers, and freezing parts of them."""
