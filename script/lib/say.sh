# shellcheck shell=bash
# What scripts tell people. Sourced, never run.

# say WORDS...: progress, on standard error so that output stays clean.
say() { printf '%s\n' "$*" >&2; }

# give_up WHAT DO: the machine cannot; exit 3 like every infrastructure fault of the program.
give_up() {
  printf 'error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 3
}

# may_install: whether this machine's package manager may be used without asking anyone.
may_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }

# install_packages NAME...: Debian packages, with fresh lists when the first try does not find them.
install_packages() {
  say "installing $* with apt-get"
  local log
  log=$(mktemp)
  if ! _apt_install "$@" >"$log" 2>&1; then
    { apt-get update -q && _apt_install "$@"; } >"$log" 2>&1 || {
      cat "$log" >&2
      rm -f "$log"
      give_up "apt-get could not install $*" "The lines above say why; mend that and run this again."
    }
  fi
  rm -f "$log"
}

_apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@" </dev/null
}
