"""The pictures of mountain cars, which differ in where the flag is."""

from nthrun.environments.viewer import GymnasiumViewer


class MountainCarViewer(GymnasiumViewer):
    """Draws (position, velocity) with the flag at 0.5."""

    environment = "MountainCar-v0"


class MountainCarContinuousViewer(GymnasiumViewer):
    """Draws (position, velocity) with the flag at 0.45."""

    environment = "MountainCarContinuous-v0"
