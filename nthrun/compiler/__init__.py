"""From a function of tensors to native code that runs it lane after lane.

An agent's and an environment's step is written once, in torch. Here it is traced for one lane,
fused into loops and written as C++ with every shape a constant. A pack calls that code for one
lane after another, so a lane's numbers cannot depend on how many share its pack, on which lane
it lies, or on its neighbours.

    tracing → lowering → storage → fusion → emission → library → kernel

`docs/compiler.md` follows one step through all of them.
"""
