# shellcheck shell=bash
# Published descriptions of forges' APIs, which the stand-ins of the tests check requests with. Sourced, never run; needs
# say.sh. They are fetched once into the user's cache and are no part of this repository.

EKACI_OPENAPI_VERSION=23.0.2
EKACI_OPENAPI_SHA256=71a18407dd5e8464f4e0525daf03deabbe65abd9287d6adc7b5d98f516cd0d0c
EKACI_GITEA_JS_VERSION=1.23.0
EKACI_GITEA_JS_SHA256=ed046510e14f7795b6d03bd60f7d62464f56c5bb6fde0f932dfd6c61878aa601

# ekaci_github_description: make sure of it and name it in EKACI_GITHUB_DESCRIPTION. Without it the tests that need it
# are skipped, or fail in continuous integration.
ekaci_github_description() {
  local folder=${XDG_CACHE_HOME:-$HOME/.cache}/ekaci/octokit-openapi-$EKACI_OPENAPI_VERSION
  local file=$folder/api.github.com.json
  if [ -f "$file" ] ||
    _fetch_package "$folder" "@octokit/openapi@$EKACI_OPENAPI_VERSION" "$EKACI_OPENAPI_SHA256" generated/api.github.com.json; then
    export EKACI_GITHUB_DESCRIPTION=$file
    return 0
  fi
  if [ -n "${CI:-}" ]; then
    export EKACI_REQUIRE_GITHUB_DESCRIPTION=1
  fi
  say "no description of GitHub's API: npm could not fetch @octokit/openapi $EKACI_OPENAPI_VERSION"
}

# ekaci_gitea_description: likewise for Gitea's, and EKACI_GITEA_DESCRIPTION. Its types are generated from Gitea's own
# description.
ekaci_gitea_description() {
  local folder=${XDG_CACHE_HOME:-$HOME/.cache}/ekaci/gitea-js-$EKACI_GITEA_JS_VERSION
  local file=$folder/index.d.ts
  if [ -f "$file" ] ||
    _fetch_package "$folder" "gitea-js@$EKACI_GITEA_JS_VERSION" "$EKACI_GITEA_JS_SHA256" dist/index.d.ts; then
    export EKACI_GITEA_DESCRIPTION=$file
    return 0
  fi
  if [ -n "${CI:-}" ]; then
    export EKACI_REQUIRE_GITEA_DESCRIPTION=1
  fi
  say "no description of Gitea's API: npm could not fetch gitea-js $EKACI_GITEA_JS_VERSION"
}

# _fetch_package FOLDER PACKAGE@VERSION SHA256 FILE: put a file of a package and its licence into a folder.
_fetch_package() {
  if ! command -v npm >/dev/null && may_install; then
    install_packages npm
  fi
  command -v npm >/dev/null || return 1
  say "fetching $2 with npm"
  local scratch packed status=1
  mkdir -p "$1"
  scratch=$(mktemp -d "$1/.fetch-XXXXXX")
  if packed=$scratch/$(cd "$scratch" && npm pack --silent --fetch-retries=1 "$2") &&
    printf '%s  %s\n' "$3" "$packed" | sha256sum --check --quiet &&
    tar -xzf "$packed" -C "$scratch" package/LICENSE "package/$4"; then
    mv "$scratch/package/LICENSE" "$1/LICENSE"
    mv "$scratch/package/$4" "$1/${4##*/}"
    status=0
  fi
  rm -rf "$scratch"
  return "$status"
}
