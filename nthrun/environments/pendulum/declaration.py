"""What a spec may say of Pendulum-v1."""

from nthrun.specs.declaration import EnvironmentDeclaration

PENDULUM = EnvironmentDeclaration(
    name="Pendulum-v1",
    observation_dim=3,
    action_dim=1,
    state_dim=2,
    action_low=-2.0,
    action_high=2.0,
    num_reset_draws=2,
    terminates=False,
    program="nthrun.environments.pendulum.program:Pendulum",
    viewer="nthrun.environments.pendulum.viewer:PendulumViewer",
)
