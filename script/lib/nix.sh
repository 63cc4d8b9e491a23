# shellcheck shell=bash
# Nix and git for scripts, without touching /etc. Sourced, never run; needs say.sh.

# ekaci_nix shared|or-private: make sure of git and of a Nix that reaches its store, and configure it for this process alone.
# With `or-private` somebody who may not write the machine's store, nor ask a daemon to, gets one below the cache.
ekaci_nix() {
  _on_path git git || give_up "no git on PATH" "On Debian or Ubuntu: sudo apt-get install git"
  _find_nix
  if ! _nix_there; then
    if may_install; then
      install_packages nix-bin busybox-static git
    fi
    _nix_there || give_up "no Nix on PATH" \
      "On Debian 12 or newer: sudo apt-get install nix-bin nix-setup-systemd, then sudo adduser \"\$USER\" nix-users" \
      "Elsewhere: https://nixos.org/download" "EkaCI needs Nix 2.8 or newer."
  fi
  _configure_nix
  local answer
  answer=$(_nix_answers) || { [ "${1:-}" = or-private ] && _use_private_store && answer=$(_nix_answers); } ||
    give_up "Nix does not work here: ${answer##*$'\n'}" \
      "As a user without a daemon Nix cannot write its store: start nix-daemon and join its group, or run this as root."
}

# ekaci_sshd: make sure of an sshd for the tests of remote builds, if this machine allows; without one they are skipped.
ekaci_sshd() {
  if ! _sshd_there && may_install; then
    install_packages openssh-server openssh-client
  fi
  if _sshd_there; then
    export EKACI_REQUIRE_SSHD=1
  else
    say "no sshd: tests of remote builds are skipped (on Debian or Ubuntu: sudo apt-get install openssh-server)"
  fi
}

# Where it is installed, sshd is often not on the PATH of people.
_sshd_there() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v sshd >/dev/null && command -v ssh-keygen >/dev/null; }

_nix_answers() { nix-instantiate --eval --expr '1 + 1' 2>&1; }

# Nix needs neither root nor a daemon for a store in another place; it only shares nothing with others there.
_use_private_store() {
  local place=${XDG_CACHE_HOME:-$HOME/.cache}/ekaci-nix
  say "using a Nix store of its own: $place"
  unset NIX_REMOTE
  export NIX_STORE_DIR=$place/store NIX_STATE_DIR=$place/var NIX_LOG_DIR=$place/log
  NIX_CONFIG+=$'\nsandbox = false\nbuild-users-group ='
}

_nix_there() { command -v nix >/dev/null && command -v nix-store >/dev/null; }

_on_path() {
  command -v "$1" >/dev/null && return 0
  may_install && install_packages "$2" && command -v "$1" >/dev/null
}

# Installers put Nix where only a login shell finds it.
_find_nix() {
  local folder
  _nix_there && return 0
  for folder in "${HOME:-/root}/.nix-profile/bin" /nix/var/nix/profiles/default/bin /run/current-system/sw/bin; do
    if [ -x "$folder/nix" ]; then
      PATH=$PATH:$folder
      export PATH
      return 0
    fi
  done
}

# No network, no build users, no sandbox where the kernel of a container may not allow one.
_configure_nix() {
  local lines=$'substituters =\nexperimental-features = nix-command flakes'
  if [ "$(id -u)" -eq 0 ]; then
    lines+=$'\nbuild-users-group =\nsandbox = false'
  fi
  export NIX_CONFIG="${NIX_CONFIG:+$NIX_CONFIG$'\n'}$lines"
}
