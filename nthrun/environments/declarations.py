"""nthrun's own environments: add a declaration here and specs can name it."""

from nthrun.environments.access_control.declaration import ACCESS_CONTROL
from nthrun.environments.acrobot.declaration import ACROBOT, DENSE_ACROBOT
from nthrun.environments.bewley.declaration import BEWLEY
from nthrun.environments.bimodal.declaration import (
    ASYMMETRIC_BIMODAL,
    BIMODAL,
    STOCHASTIC_BIMODAL,
)
from nthrun.environments.cartpole.declaration import CARTPOLE, CONTINUOUS_CARTPOLE
from nthrun.environments.ghm.declaration import GHM
from nthrun.environments.gridworld.declaration import GRIDWORLD, INDEX_GRIDWORLD, XY_GRIDWORLD
from nthrun.environments.mountain_car.declaration import (
    DENSE_MOUNTAIN_CAR_CONTINUOUS,
    MOUNTAIN_CAR,
    MOUNTAIN_CAR_CONTINUOUS,
)
from nthrun.environments.pendulum.declaration import COSINE_PENDULUM, PENDULUM, SPARSE_PENDULUM
from nthrun.environments.puddle_world.declaration import PUDDLE_WORLD
from nthrun.environments.short_corridor.declaration import CONTINUOUS_SHORT_CORRIDOR

DECLARATIONS = (
    PENDULUM,
    COSINE_PENDULUM,
    SPARSE_PENDULUM,
    MOUNTAIN_CAR,
    MOUNTAIN_CAR_CONTINUOUS,
    DENSE_MOUNTAIN_CAR_CONTINUOUS,
    ACROBOT,
    DENSE_ACROBOT,
    CARTPOLE,
    CONTINUOUS_CARTPOLE,
    PUDDLE_WORLD,
    GRIDWORLD,
    INDEX_GRIDWORLD,
    XY_GRIDWORLD,
    BIMODAL,
    ASYMMETRIC_BIMODAL,
    STOCHASTIC_BIMODAL,
    CONTINUOUS_SHORT_CORRIDOR,
    ACCESS_CONTROL,
    GHM,
    BEWLEY,
)
