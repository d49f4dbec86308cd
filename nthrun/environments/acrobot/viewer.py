"""The picture of an acrobot."""

from nthrun.environments.viewer import GymnasiumViewer


class AcrobotViewer(GymnasiumViewer):
    """Draws (θ₁, θ₂, θ̇₁, θ̇₂)."""

    environment = "Acrobot-v1"
