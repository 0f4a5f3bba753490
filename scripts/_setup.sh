# Sourced by scripts/pancreasgen and scripts/test: makes .venv in the checkout on first use and keeps it up to date.
# Needs only git and Python ≥ 3.11. Call: ensure_environment run|dev

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv"

say() { printf 'pancreasgen: %s\n' "$*" >&2; }

# A Python counts only if it runs: shims of version managers may exist and fail.
find_python() {
  local name
  for name in python3.13 python3.12 python3.11 python3 python; do
    if command -v "$name" >/dev/null 2>&1 &&
      "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; then
      command -v "$name"
      return 0
    fi
  done
  return 1
}

# What the environment was made from; another stamp means that it must be brought up to date.
stamp_of() {
  local python="$1" kind="$2"
  { printf '%s\n%s\n%s\n' "$root" "$kind" "$("$python" -V 2>&1)"
    cat "$root/pyproject.toml" "$root/constraints.txt"; } | cksum | tr -d '\n'
}

dev_requirements() {
  "$1" - "$root/pyproject.toml" <<'PY'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    print("\n".join(tomllib.load(file)["dependency-groups"]["dev"]))
PY
}

make_venv() {
  local python="$1"
  if [ -x "$venv/bin/python" ] && "$venv/bin/python" -c 'import sys' >/dev/null 2>&1; then return 0; fi
  say "making a virtual environment in $venv with $("$python" -V)"
  rm -rf "$venv"
  if command -v uv >/dev/null 2>&1; then
    uv venv --quiet --python "$python" "$venv" && return 0
    say "uv could not make it; trying python -m venv"
    rm -rf "$venv"
  fi
  "$python" -m venv "$venv" || {
    say "error: $python could not make a virtual environment (on Debian and Ubuntu: apt install python3-venv)"
    return 1
  }
}

install_into() {
  if command -v uv >/dev/null 2>&1; then
    VIRTUAL_ENV="$venv" uv pip install --quiet --python "$venv/bin/python" -c "$root/constraints.txt" "$@"
  else
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -c "$root/constraints.txt" "$@"
  fi
}

ensure_environment() {
  local kind="$1" python
  [ -e "$venv/.stamp-dev" ] && [ "$kind" = run ] && kind=dev # a fuller environment serves as well
  if [ -x "$venv/bin/python" ] && [ -f "$venv/.stamp-$kind" ] &&
    [ "$(cat "$venv/.stamp-$kind")" = "$(stamp_of "$venv/bin/python" "$kind")" ]; then
    return 0
  fi
  python="$(find_python)" || {
    say "error: no Python 3.11, 3.12 or 3.13 was found; install one (https://www.python.org) and try again"
    return 69
  }
  if command -v flock >/dev/null 2>&1; then # two that start at once: the second waits and finds all done
    exec 9>"${TMPDIR:-/tmp}/pancreasgen-setup-$(id -u)-$(printf %s "$root" | cksum | cut -d" " -f1).lock"
    flock 9
  fi
  if [ ! -f "$venv/.stamp-$kind" ] || [ "$(cat "$venv/.stamp-$kind")" != "$(stamp_of "$venv/bin/python" "$kind")" ]; then
    make_venv "$python" || return 69
    rm -f "$venv"/.stamp-*
    say "installing what it needs (a minute or two on the first use)"
    install_into -e "$root" || { say "error: the installation failed; see the lines above"; return 69; }
    if [ "$kind" = dev ]; then
      dev_requirements "$venv/bin/python" >"$venv/dev-requirements.txt"
      install_into -r "$venv/dev-requirements.txt" || { say "error: the installation of the test tools failed"; return 69; }
    fi
    stamp_of "$venv/bin/python" "$kind" >"$venv/.stamp-$kind"
    say "ready; the numerical kernels are compiled on first use, once, for about a minute"
  fi
  if command -v flock >/dev/null 2>&1; then exec 9>&-; fi
  return 0
}
