"""Pendulum-v1: swing a pendulum up and keep it there, with continuous torque."""
