#!/usr/bin/env bash
# Make, or update, the virtualenv nthrun runs in. Meant for a login node of an Alliance Canada
# cluster; works anywhere else too, without the modules and the wheelhouse.
#
# - Wheels come from the cluster's wheelhouse where it has them: they are built for its machines.
#   Their versions carry a local part (+computecanada) and may be older than the pins, so `==` pins
#   are dropped for them and kept only for what comes from the package index.
# - h5py's wheel needs no module. The modules hdf5 and scipy-stack put an h5py and a numpy of their
#   own on Python's path, which can hide or break the virtualenv's: load neither of them.
# - Compute nodes may not reach the package index, and two installs at once damage a virtualenv on
#   a shared disk: hence a login node, and a lock.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
env_dir="${NTHRUN_ENV:-$HOME/nthrun-env}"
modules="${NTHRUN_MODULES-StdEnv/2023}"
python_module="${NTHRUN_PYTHON_MODULE-python/3.11}"
python="${PYTHON:-python3}"
requirements_file="$here/requirements.txt"
extras=""
dry_run=""

usage() {
    cat <<USAGE
Usage: install_environment.sh [OPTIONS]

  Make the virtualenv nthrun runs in, or update it if it exists. Where there is
  a \`module\` command, modules are loaded first and noted in the virtualenv, so
  that activate_environment.sh loads the same ones.

Options:
  --env-dir DIR         the virtualenv  [$env_dir]
  --modules "A B ..."   modules to load before Python's  [$modules]
  --python-module NAME  module that provides Python; "" for none  [$python_module]
  --requirements FILE   packages to install  [$requirements_file]
  --extras "A B ..."    optional packages too, named as in pyproject.toml: $(known_extras)
  --dry-run             print the commands and change nothing
  --help                show this message and exit

Environment: NTHRUN_ENV, NTHRUN_MODULES and NTHRUN_PYTHON_MODULE set the defaults
of the first three; PYTHON names the interpreter  [$python]
USAGE
}

say() {
    printf 'install_environment.sh: %s\n' "$1" >&2
}

# One line and the exit code: 2 for bad input, 1 for what failed.
fail() {
    say "error: $1"
    exit "${2:-1}"
}

# Print a command; then run it, unless this is a dry run.
run() {
    local line
    printf -v line '%q ' "$@"
    if [[ -n $dry_run ]]; then
        printf '%s\n' "${line% }"
    else
        printf '+ %s\n' "${line% }" >&2
        "$@" >&2
    fi
}

read_options() {
    while (($#)); do
        case "$1" in
            --*=*)
                set -- "${1%%=*}" "${1#*=}" "${@:2}"
                continue
                ;;
            --help | -h)
                usage
                exit 0
                ;;
            --dry-run)
                dry_run=yes
                shift
                continue
                ;;
            --env-dir | --modules | --python-module | --requirements | --extras)
                (($# > 1)) || fail "$1: a value is missing; hint: see --help" 2
                ;;
            *) fail "$1: unknown option; hint: see --help" 2 ;;
        esac
        case "$1" in
            --env-dir) env_dir="$2" ;;
            --modules) modules="$2" ;;
            --python-module) python_module="$2" ;;
            --requirements) requirements_file="$2" ;;
            --extras) extras="${2//,/ }" ;;
        esac
        shift 2
    done
    [[ -n $env_dir ]] || fail "--env-dir: got nothing, allowed: a directory" 2
    [[ $env_dir == /* ]] || env_dir="$PWD/$env_dir"
    pip=("$env_dir/bin/python" -m pip)
}

# Every "extra requirement" of pyproject.toml, one a line.
extra_requirements() {
    awk '
        /^\[/ { inside = ($1 == "[project.optional-dependencies]"); next }
        inside && $2 == "=" { extra = $1 }
        inside && extra != "" {
            while (match($0, /"[^"]+"/)) {
                print extra, substr($0, RSTART + 1, RLENGTH - 2)
                $0 = substr($0, RSTART + RLENGTH)
            }
        }' "$here/pyproject.toml"
}

known_extras() {
    extra_requirements | cut -d ' ' -f 1 | sort -u | paste -s -d ' ' -
}

# Fill the array `requirements` from the requirements file and the extras.
read_requirements() {
    local line extra name found
    local -a wanted
    requirements=()
    [[ -r $requirements_file ]] || fail "$requirements_file: no such file; hint: see --requirements" 2
    while IFS= read -r line || [[ -n $line ]]; do
        line="${line%$'\r'}"
        [[ $line == \#* ]] && continue
        read -r line <<<"${line%%[[:space:]]#*}"
        [[ -n $line ]] || continue
        if [[ $line == -* || $line == *' --'* ]]; then
            fail "$requirements_file: got '$line', allowed: names with versions, no options" 2
        fi
        requirements+=("$line")
    done <"$requirements_file"
    read -r -a wanted <<<"$extras"
    for extra in ${wanted[@]+"${wanted[@]}"}; do
        found=""
        while read -r name line; do
            if [[ $name == "$extra" ]]; then
                requirements+=("$line")
                found=yes
            fi
        done < <(extra_requirements)
        [[ -n $found ]] || fail "--extras: got '$extra', allowed: $(known_extras)" 2
    done
    ((${#requirements[@]})) || fail "$requirements_file: names no package" 2
}

# A requirement without its `==` pin; bounds and markers stay.
loosened() {
    printf '%s\n' "$1" | sed -E 's/^([^]=<>!~;, []+(\[[^]]*\])?) *==[^;,]*(;.*)?$/\1\3/'
}

# Load the modules, one by one as activate_environment.sh does; fill the array `loaded`.
load_modules() {
    local name status
    read -r -a loaded <<<"$modules $python_module"
    if ! type module >/dev/null 2>&1; then
        loaded=()
        say "no module command here: no module is loaded"
        return
    fi
    for name in ${loaded[@]+"${loaded[@]}"}; do
        set +eu # module commands are written for neither
        run module load "$name" </dev/null
        status=$?
        set -eu
        ((status == 0)) || fail "module $name could not be loaded; hint: module spider ${name%%/*}"
    done
}

# major.minor of an interpreter.
version_of() {
    "$1" -c 'import sys; print("{}.{}".format(*sys.version_info))'
}

check_python() {
    local least version
    least="$(sed -nE 's/^requires-python *= *">=([0-9]+)\.([0-9]+)"$/\1 \2/p' "$here/pyproject.toml")"
    version="$(version_of "$python")" || fail "$python does not run; hint: set PYTHON or --python-module"
    if ((${version%.*} * 1000 + ${version#*.} < ${least% *} * 1000 + ${least#* })); then
        fail "$python is Python $version, needed: ${least% *}.${least#* } or newer; hint: set PYTHON or --python-module"
    fi
    if [[ -x $env_dir/bin/python && $(version_of "$env_dir/bin/python") != "$version" ]]; then
        fail "$env_dir does not hold Python $version; hint: remove it, or choose another --env-dir"
    fi
}

take_lock() {
    mkdir -p "$(dirname "$env_dir")" || fail "$env_dir: cannot be made there; hint: choose another --env-dir"
    if ! mkdir "$env_dir.lock" 2>/dev/null; then
        fail "another install is at work on $env_dir; hint: if none is, remove $env_dir.lock"
    fi
    trap 'rmdir "$env_dir.lock"' EXIT
}

# Make the virtualenv, unless it is there whole: one whose making was interrupted has no pip.
make_virtualenv() {
    if "${pip[@]}" --version >/dev/null 2>&1; then
        say "$env_dir exists: updating it"
    elif command -v virtualenv >/dev/null &&
        run virtualenv --quiet --no-download --python "$(command -v "$python")" "$env_dir"; then
        :
    else
        run "$python" -m venv "$env_dir" || fail "$env_dir: the virtualenv could not be made"
    fi
}

# Note the loaded modules in the virtualenv; without a module command an earlier note stays.
remember_modules() {
    type module >/dev/null 2>&1 || return 0
    local name
    for name in ${loaded[@]+"${loaded[@]}"}; do
        printf '%s\n' "$name"
    done >"$env_dir/nthrun-modules.part"
    mv "$env_dir/nthrun-modules.part" "$env_dir/nthrun-modules"
}

# Install from the wheelhouse what it has, with all it needs, and the rest from the package index.
install_packages() {
    local requirement loose
    local -a wheels=() others=()
    for requirement in "${requirements[@]}"; do
        loose="$(loosened "$requirement")"
        if "${pip[@]}" install --quiet --dry-run --no-index --ignore-installed "$loose" >/dev/null 2>&1; then
            wheels+=("$loose")
        else
            say "the wheelhouse lacks $loose: installing $requirement from the package index"
            others+=("$requirement")
        fi
    done
    if ((${#wheels[@]})); then
        run "${pip[@]}" install --no-index --upgrade "${wheels[@]}" || fail "pip failed; its message is above"
    fi
    if ((${#others[@]})); then
        run "${pip[@]}" install --upgrade "${others[@]}" || fail "pip failed; its message is above"
    fi
}

# Say which packages are not at their pinned version, and what does not fit together.
report() {
    local requirement name pinned installed
    for requirement in "${requirements[@]}"; do
        [[ $requirement == *==* ]] || continue
        name="${requirement%%[=\[ ]*}"
        pinned="${requirement#*==}"
        pinned="${pinned%%[;, ]*}"
        installed="$("$env_dir/bin/python" -c 2>/dev/null \
            'import sys, importlib.metadata as m; print(m.version(sys.argv[1]))' "$name")" ||
            continue # a marker left it out
        [[ ${installed%%+*} == "$pinned" ]] || say "note: $name is $installed, the pin is $pinned"
    done
    run "${pip[@]}" check || say "note: the packages above do not fit together"
    say "ready; now: . $(printf '%q %q' "$here/activate_environment.sh" "$env_dir")"
}

print_plan() {
    local requirement
    local -a loose=()
    for requirement in "${requirements[@]}"; do
        loose+=("$(loosened "$requirement")")
    done
    load_modules
    make_virtualenv
    run "${pip[@]}" install --no-index --upgrade pip
    run "${pip[@]}" install --no-index --upgrade "${loose[@]}"
    printf '# and of these, only what the wheelhouse lacks:\n'
    run "${pip[@]}" install --upgrade "${requirements[@]}"
}

main() {
    read_options "$@"
    read_requirements
    if [[ -e $env_dir && ! -e $env_dir/pyvenv.cfg && -n $(ls -A "$env_dir") ]]; then
        fail "$env_dir exists and is no virtualenv; hint: choose another --env-dir" 2
    fi
    if [[ -n $dry_run ]]; then
        print_plan
        return
    fi
    load_modules
    check_python
    take_lock
    make_virtualenv
    remember_modules
    run "${pip[@]}" install --no-index --quiet --upgrade pip || say "the wheelhouse lacks pip: it stays as it is"
    install_packages
    report
}

main "$@"
