# shellcheck shell=bash
# The virtual environment of a checkout. Sourced, never run; needs say.sh and EKACI_ROOT.

# ekaci_venv [dev]: make sure that $EKACI_ROOT/.venv has every distribution of this checkout, editable, at the tested
# versions of what they need; with `dev` also the tools and the tests' needs. Sets EKACI_BIN to its bin folder.
# shellcheck disable=SC2120 # the argument may be left out
ekaci_venv() {
  local mode=${1:-run} venv=$EKACI_ROOT/.venv wanted folder line
  EKACI_BIN=$venv/bin
  wanted=$(_wanted)
  if _is_current "$venv" "$mode" "$wanted"; then
    return 0
  fi
  if ! _has_pip && ! "$EKACI_BIN/python" -m ensurepip >/dev/null 2>&1; then
    _make_venv "$venv"
  fi
  local wishes=(-e "$EKACI_ROOT/ekaci_core[cli]")
  while IFS= read -r folder; do wishes+=(-e "$folder"); done < <(_other_members)
  if [ "$mode" = dev ]; then
    while IFS= read -r line; do wishes+=("$line"); done < <(_dev_group)
  fi
  say "installing into .venv"
  "$EKACI_BIN/python" -m pip --disable-pip-version-check --quiet install --no-input \
    -c "$EKACI_ROOT/constraints.txt" "${wishes[@]}" >&2 ||
    give_up "pip could not install into $venv" "The lines above say why; it needs a package index or its cache."
  printf '%s' "$wanted" >"$venv/.ekaci-$mode"
}

_has_pip() { "$EKACI_BIN/python" -m pip --version >/dev/null 2>&1; }

# _is_current VENV MODE WANTED: an environment for `dev` serves for running too.
_is_current() {
  local stamp
  [ -x "$1/bin/python" ] && "$1/bin/python" -c '' 2>/dev/null || return 1
  for stamp in "$1/.ekaci-dev" "$1/.ekaci-$2"; do
    [ "$(cat "$stamp" 2>/dev/null)" = "$3" ] && return 0
  done
  return 1
}

# The distributions of this checkout beside the core.
_other_members() {
  local project
  for project in "$EKACI_ROOT"/ekaci_*/pyproject.toml "$EKACI_ROOT"/plugins/*/pyproject.toml; do
    if [ -f "$project" ] && [ "$project" != "$EKACI_ROOT/ekaci_core/pyproject.toml" ]; then
      printf '%s\n' "${project%/pyproject.toml}"
    fi
  done
}

_dev_group() {
  "$EKACI_BIN/python" - "$EKACI_ROOT/pyproject.toml" <<'PYTHON'
import sys
import tomllib

with open(sys.argv[1], "rb") as file:
    print(*tomllib.load(file)["dependency-groups"]["dev"], sep="\n")
PYTHON
}

# What an up-to-date environment was made from: another folder or another set of needs makes it anew.
_wanted() {
  local folder
  {
    printf '%s\n' "$EKACI_ROOT"
    cat "$EKACI_ROOT/constraints.txt" "$EKACI_ROOT/pyproject.toml" "$EKACI_ROOT/ekaci_core/pyproject.toml"
    while IFS= read -r folder; do cat "$folder/pyproject.toml"; done < <(_other_members)
  } | cksum
}

_make_venv() {
  local venv=$1 python
  python=$(_python) || exit
  say "making .venv with $("$python" --version)"
  rm -rf "$venv"
  if "$python" -m venv "$venv" >/dev/null 2>&1 && _has_pip; then
    return 0
  fi
  rm -rf "$venv"
  # Debian keeps the module in a package of its own.
  if may_install; then
    install_packages python3-venv
    "$python" -m venv "$venv" >&2 && _has_pip && return 0
  elif command -v uv >/dev/null && uv venv --quiet --seed --python "$python" "$venv" >&2; then
    return 0
  fi
  rm -rf "$venv"
  give_up "$python cannot make virtual environments" \
    "On Debian or Ubuntu: sudo apt-get install python3-venv" \
    "Elsewhere: install Python 3.11 or newer with its venv module."
}

_python() {
  local name
  for name in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    [ -n "$name" ] && _new_enough "$name" && return 0
  done
  if may_install; then
    install_packages python3 python3-venv
    _new_enough python3 && return 0
  fi
  give_up "no Python 3.11 or newer on PATH" "On Debian 12 or newer: sudo apt-get install python3 python3-venv"
}

# _new_enough NAME: print where it is, if it is there and new enough.
_new_enough() {
  "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1 && command -v "$1"
}
