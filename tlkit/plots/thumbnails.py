"""Small pictures with captions below them, on a sheet."""

from PIL import ImageOps

PICTURE_PX = 128


def draw_thumbnail(picture, caption, left, top, pitch_px, ax, *, weight="normal"):
    """Draw a PIL picture in the middle of a column that is `pitch_px` wide, with a caption below it."""
    picture = ImageOps.contain(picture, (PICTURE_PX, PICTURE_PX))
    left_edge, bottom = left + (pitch_px - picture.width) / 2, top + PICTURE_PX
    limits = ax.get_xlim(), ax.get_ylim()
    ax.imshow(picture, extent=(left_edge, left_edge + picture.width, bottom, bottom - picture.height))
    ax.set(xlim=limits[0], ylim=limits[1])  # the picture has moved them
    ax.text(left + pitch_px / 2, bottom + 3, caption, ha="center", va="top", fontsize=8.5, fontweight=weight)
