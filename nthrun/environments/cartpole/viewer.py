"""The picture of a cart and its pole."""

from nthrun.environments.viewer import GymnasiumViewer


class CartPoleViewer(GymnasiumViewer):
    """Draws (x, ẋ, θ, θ̇)."""

    environment = "CartPole-v1"
