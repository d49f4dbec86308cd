#!/usr/bin/env bash
# Enter the virtualenv that install_environment.sh made:
#
#     . activate_environment.sh [ENV_DIR]        ENV_DIR: $NTHRUN_ENV, else ~/nthrun-env
#
# Loads the modules it was made with, activates it, and sets OMP_NUM_THREADS. It changes no option
# of the shell and never ends it; if something is missing it says so and returns 1.
# In a script with arguments of its own, name ENV_DIR: a sourced file sees its caller's arguments.

if ! (return 0 2>/dev/null); then
    echo "activate_environment.sh: error: executed, allowed: sourced; hint: . $0 $*" >&2
    exit 2
fi

_nthrun_say() {
    printf 'activate_environment.sh: %s\n' "$1" >&2
}

_nthrun_load_modules() {
    local name
    [ -s "$1" ] || return 0
    if ! type module >/dev/null 2>&1; then
        _nthrun_say "note: no module command here: the modules in $1 are not loaded"
        return 0
    fi
    while IFS= read -r name; do
        [ -n "$name" ] || continue
        if ! module load "$name" </dev/null; then
            _nthrun_say "error: module $name could not be loaded; hint: module spider ${name%%/*}"
            return 1
        fi
    done <"$1"
}

_nthrun_activate() {
    local env_dir="${1:-${NTHRUN_ENV:-$HOME/nthrun-env}}" nounset="" result=0
    if [ ! -r "$env_dir/bin/activate" ]; then
        _nthrun_say "error: no virtualenv at $env_dir; hint: bash install_environment.sh --env-dir $env_dir"
        return 1
    fi
    case "$-" in *u*) nounset=yes ;; esac
    set +u # module commands are not written for it
    # An active virtualenv would put the old PATH back when it is left: leave it before loading.
    if [ -n "${VIRTUAL_ENV:-}" ] && type deactivate >/dev/null 2>&1; then
        deactivate
    fi
    # shellcheck source=/dev/null
    _nthrun_load_modules "$env_dir/nthrun-modules" && . "$env_dir/bin/activate" || result=1
    # OpenMP would start a thread for every core in each process, and processes side by side on a
    # node would fight over them; nthrun fills cores with packs instead. The number of threads also
    # decides how sums round, and so the bits of a record.
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
    if [ -n "$nounset" ]; then set -u; fi
    return "$result"
}

_nthrun_activate "$@" || {
    unset -f _nthrun_say _nthrun_load_modules _nthrun_activate
    return 1
}
unset -f _nthrun_say _nthrun_load_modules _nthrun_activate
