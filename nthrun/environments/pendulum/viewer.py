"""The picture of a pendulum."""

from nthrun.environments.viewer import GymnasiumViewer


class PendulumViewer(GymnasiumViewer):
    """Draws (θ in radians from upright, θ̇)."""

    environment = "Pendulum-v1"
