from .basins_overlay import map_page as map_page
from .build import draw_all as draw_all
from .pictures import (
    atlas_page as atlas_page,
    law as law,
    locus_page as locus_page,
    side_by_side as side_by_side,
)
