# shellcheck shell=bash
# The demonstration server: a bare repository and the real server at it. Sourced, never run; needs say.sh and EKACI_BIN.

# ekaci_serve FOLDER: run the server on a repository of the example package set, all in FOLDER, until Ctrl-C.
ekaci_serve() {
  local folder=$1 server stopped=
  _make_remote "$folder"
  _configure_server "$folder" >"$folder/ekaci.toml"
  export HOME=$folder/home XDG_CACHE_HOME=$folder/cache XDG_CONFIG_HOME=$folder/config XDG_DATA_HOME=$folder/data
  export XDG_STATE_HOME=$folder/state
  mkdir -p "$HOME"
  # In a process group of its own, so that Ctrl-C reaches it once, through this script.
  set -m
  "$EKACI_BIN/eka-ci-server" --config-file "$folder/ekaci.toml" </dev/null >"$folder/server.log" 2>&1 &
  server=$!
  set +m
  trap 'stopped=yes; kill -TERM "$server" 2>/dev/null || true' INT TERM
  _wait_for_server "$folder" "$server" || {
    wait "$server" || true
    [ -n "$stopped" ] && return 0
    give_up "the server did not start" "$(tail -n 5 "$folder/server.log")"
  }
  _what_to_type "$folder"
  local status=0
  while :; do
    status=0
    wait "$server" || status=$?
    kill -0 "$server" 2>/dev/null || break
  done
  [ -n "$stopped" ] && return 0
  give_up "the server ended with status $status" "$(tail -n 5 "$folder/server.log")"
}

_make_remote() {
  local folder=$1
  say "making a repository in $folder"
  cp -r "$EKACI_ROOT/examples/package-set" "$folder/first"
  git init --quiet --initial-branch=main "$folder/first"
  git -C "$folder/first" add .
  git -C "$folder/first" -c user.name=Demo -c user.email=demo@localhost commit --quiet --message "The package set"
  git clone --quiet --bare "$folder/first" "$folder/packages.git"
  rm -rf "$folder/first"
}

_configure_server() {
  local folder=$1
  cat <<TOML
db_path = "$folder/server/sqlite.db"
logs_dir = "$folder/server/logs"
workspace_root = "$folder/server/work"
shutdown_grace_seconds = 5

[web]
port = 0

[unix]
socket_path = "$folder/sock"

[[git_remotes]]
id = "demo"
url = "$folder/packages.git"
cache_folder = "$folder/server/copies"
poll_seconds = 5
notes = true
TOML
}

_wait_for_server() {
  local folder=$1 server=$2
  until grep -q "listening at" "$folder/server.log" 2>/dev/null; do
    kill -0 "$server" 2>/dev/null || return 1
    sleep 0.1
  done
}

_what_to_type() {
  local folder=$1
  cat <<TEXT
The server runs: $(grep -o 'http://[^ "]*' "$folder/server.log" | head -n 1)

Push something to it:
  git clone $folder/packages.git $folder/mine && cd $folder/mine
  git apply --index $EKACI_ROOT/examples/pull-request.patch && git commit -m "A bit of everything"
  git push origin HEAD:refs/heads/pr/mine

Within 5 seconds it is under review:
  $EKACI_BIN/ekaci prs -s $folder/sock
  $EKACI_BIN/ekaci jobset 2 -s $folder/sock

The verdict is a note at the commit:
  git fetch origin 'refs/notes/*:refs/notes/*' && git notes --ref=ekaci show

Ctrl-C ends it and removes the folder.
TEXT
}
