from .animation import animate as animate
from .atlas import atlas as atlas, atlas_figure as atlas_figure
from .averages import bode as bode, bode_figure as bode_figure, ema as ema, ema_paths as ema_paths
from .branches import branches as branches, branches_figure as branches_figure
from .cards import animate_card as animate_card, card_figure as card_figure
from .critics import animate_critic as animate_critic, critic as critic, critic_figure as critic_figure
from .curves import radii as radii
from .diagnosis import diagnosis_figure as diagnosis_figure
from .forecasts import forecast_figure as forecast_figure
from .laws import decay as decay, law_figure as law_figure, power_law as power_law
from .maps import (
    basins as basins,
    bifurcation as bifurcation,
    map_figure as map_figure,
    stability as stability,
)
from .overview import figure as figure
from .portraits import path as path, portrait as portrait
from .posters import Panel as Panel, poster_figure as poster_figure
from .saving import check as check, save as save, show as show
from .small_multiples import multiples as multiples, verdict_words as verdict_words
from .space import space_figure as space_figure
from .spectra import (
    animate_locus as animate_locus,
    eigenvalues as eigenvalues,
    locus as locus,
    locus_figure as locus_figure,
)
from .theme import style as style
