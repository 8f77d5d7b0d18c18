from .imageset import ImageSet as ImageSet
from .load import load_images as load_images

__all__ = [
    "ImageSet",
    "load_images",
]
